"""What holds for every page: its charts are drawn and tell their values, downloads hold them, anyone can use it."""

import csv
import io
from pathlib import Path

import pytest

from tests.browser.chrome import Tab

ALLOWED = 8
"""Downloads before Chromium asks whether a page may save several files, which nobody answers here."""


def tells_its_values(browser, path):
    """With the network off; a chart's largest mark is pointed at."""
    with Tab(browser, path) as tab:
        tab.open_all()
        assert tab.charts()
        for chart in tab.charts():
            kind = tab.spec(chart)["data"][0]["type"]
            (mark, *_) = tab.marks(chart, kind)
            tab.page.mouse.move(0, 0)
            tab.page.mouse.move(mark["x"], mark["y"], steps=3)
            told = tab.page.locator(f"#{chart} .hoverlayer .hovertext").first
            told.wait_for(state="attached", timeout=5000)
            assert any(letter.isdigit() for letter in told.text_content()), chart
        assert tab.requests == [path.as_uri()]
        assert tab.complaints == []


def downloads_hold_what_is_drawn(browser, path):
    with Tab(browser, path) as tab:
        charts = tab.charts()
    for start in range(0, len(charts), ALLOWED):
        with Tab(browser, path) as tab:
            tab.open_all()
            for chart in charts[start : start + ALLOWED]:
                rows = downloaded(tab, chart)
                cells = {number(cell) for row in rows[1:] for cell in row}
                spec = tab.spec(chart)
                for trace in spec["data"]:
                    assert drawn(trace, spec["layout"]) <= cells, chart
            assert tab.complaints == []


def no_grave_violation(browser, path, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    with Tab(browser, path, scheme=scheme) as tab:
        tab.open_all()
        found = axe.Axe().run(tab.page).response
        assert len(found["passes"]) > 10
        grave = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in grave] == []


def fits(browser, path, width):
    with Tab(browser, path, width=width) as tab:
        tab.open_all()
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
        for chart in tab.charts():
            box = tab.page.locator(f"#{chart}").bounding_box()
            drawing = tab.page.locator(f"#{chart} .main-svg").first.bounding_box()
            assert drawing["width"] <= box["width"] + 1
            assert drawing["height"] == pytest.approx(tab.spec(chart)["layout"]["height"], abs=1)
            plot = tab.page.evaluate(f"document.getElementById('{chart}')._fullLayout._size.w")
            assert plot >= 0.45 * box["width"], chart


def downloaded(tab, chart):
    """The rows of the CSV that a click on a chart's link saves."""
    with tab.page.expect_download() as caught:
        tab.page.locator(f'a[download="{chart}.csv"]').click()
    assert caught.value.suggested_filename == f"{chart}.csv"
    return list(csv.reader(io.StringIO(Path(caught.value.path()).read_bytes().decode())))


def number(cell):
    """A CSV cell as the JSON has it."""
    try:
        return float(cell)
    except ValueError:
        return cell


def drawn(trace, layout):
    """The values a trace draws along its measured axes; places of named rows are not values."""
    if trace["type"] == "heatmap":
        return {float(value) for row in trace["z"] for value in row}
    if trace["type"] == "treemap":
        return set(map(float, filter(None, trace["values"])))
    found = set()
    for name in "xy":
        ticks = layout[f"{name}axis"].get("tickvals")
        if ticks is None or ticks != list(range(len(ticks))):
            found |= set(map(float, trace[name]))
    return found
