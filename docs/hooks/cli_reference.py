"""The page of commands, written from the program itself: what ``--help`` says, for every command."""

from __future__ import annotations

from typing import Any

MARKER = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the reference where the page has the marker."""
    return markdown.replace(MARKER, reference()) if MARKER in markdown else markdown


def reference() -> str:
    """Markdown: a section for every command, with a table of its arguments and options."""
    import typer

    from rapidnn.cli.main import app

    return "\n".join(_sections(typer.main.get_command(app), "rapidnn"))


def _sections(command: Any, name: str) -> list[str]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        return [line for key, child in inner.items() for line in _sections(child, f"{name} {key}")]
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    usage = " ".join(
        [name, *(_placeholder(p) for p in shown if p.param_type_name == "argument"), "[OPTIONS]"]
    )
    lines = [f"## {name}", "", (command.help or "").strip(), "", "```", usage, "```", ""]
    if shown:
        lines += ["| | | default |", "|---|---|---|"]
        lines += [_row(parameter) for parameter in shown]
    return [*lines, ""]


def _placeholder(parameter: Any) -> str:
    shown = parameter.metavar or parameter.name.upper()
    return shown if parameter.required else f"[{shown}]"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = f"`{_placeholder(parameter)}`"
    else:
        metavar = (
            "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or parameter.name.upper()}"
        )
        names = ", ".join(f"`{option}{metavar}`" for option in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    told = (
        default not in (None, (), [], False, "") and not callable(default) and "Sentinel" not in repr(default)
    )
    help_text = (
        " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|").replace("*", "\\*")
    )
    return f"| {names.replace('|', chr(92) + '|')} | {help_text} | {f'`{default}`' if told else ''} |"
