"""One trained and composed digits network for all tests of the command line."""

import contextlib
import io
import json
import os
from dataclasses import dataclass
from unittest import mock

import pytest

from rapidnn.cli.main import exit_code


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def run_cli(*arguments, env=None, check=None):
    """Run the command line in this process, with its own stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    environment = {"COLUMNS": "200"} | (env or {})
    with (
        mock.patch.dict(os.environ, environment),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = exit_code([str(argument) for argument in arguments])
    done = Done(code, out.getvalue(), err.getvalue())
    if check is not None:
        assert done.returncode == check, done.stderr + done.stdout
    return done


def run_json(*arguments, **kwargs):
    """The object a command prints with ``--json``."""
    return json.loads(run_cli(*arguments, "--json", check=0, **kwargs).stdout)


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """Folder and JSON object of one ``rapidnn demo`` run."""
    out = tmp_path_factory.mktemp("demo")
    return out, run_json("demo", "--out", out)
