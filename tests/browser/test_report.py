"""Reports in a real browser: what is drawn, told on hovering, downloaded, and reached without a mouse."""

import csv
import io
from pathlib import Path

import pytest

from tests.browser.chrome import Tab


def test_smoke(browser, small):
    """Loads from disk with the network off; every chart is drawn; nothing complains."""
    with Tab(browser, small) as tab:
        tab.open_all()
        assert len(tab.charts()) >= 8
        for chart in tab.charts():
            for kind in {trace["type"] for trace in tab.spec(chart)["data"]}:
                assert tab.marks(chart, kind), chart
        assert tab.requests == [small.as_uri()]
        assert tab.complaints == []


ALLOWED = 8
"""Downloads before Chromium asks whether a page may save several files, which nobody answers here."""


@pytest.mark.slow
class TestDemo:
    """The demo's report, as its reader meets it."""

    def test_every_chart_is_drawn_and_tells_its_values(self, browser, demo):
        with Tab(browser, demo) as tab:
            tab.open_all()
            for chart in tab.charts():
                kind = tab.spec(chart)["data"][0]["type"]
                (mark, *_) = tab.marks(chart, kind)
                tab.page.mouse.move(0, 0)
                tab.page.mouse.move(mark["x"], mark["y"], steps=3)
                told = tab.page.locator(f"#{chart} .hoverlayer .hovertext").first
                told.wait_for(state="attached", timeout=5000)
                assert any(letter.isdigit() for letter in told.text_content()), chart
            assert tab.requests == [demo.as_uri()]
            assert tab.complaints == []

    def test_downloads_hold_what_is_drawn(self, browser, demo):
        with Tab(browser, demo) as tab:
            charts = tab.charts()
        for start in range(0, len(charts), ALLOWED):
            with Tab(browser, demo) as tab:
                tab.open_all()
                for chart in charts[start : start + ALLOWED]:
                    rows = downloaded(tab, chart)
                    cells = {number(cell) for row in rows[1:] for cell in row}
                    for trace in tab.spec(chart)["data"]:
                        assert drawn(trace) <= cells, chart
                assert tab.complaints == []

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_no_serious_violation(self, browser, demo, scheme):
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
        with Tab(browser, demo, scheme=scheme) as tab:
            tab.open_all()
            found = axe.Axe().run(tab.page).response
            assert len(found["passes"]) > 10
            grave = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
            assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in grave] == []

    @pytest.mark.parametrize("width", [320, 400, 1280])
    def test_fits_its_width(self, browser, demo, width):
        with Tab(browser, demo, width=width) as tab:
            tab.open_all()
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
            for chart in tab.charts():
                box = tab.page.locator(f"#{chart}").bounding_box()
                drawing = tab.page.locator(f"#{chart} .main-svg").first.bounding_box()
                assert drawing["width"] <= box["width"] + 1
                assert drawing["height"] == pytest.approx(tab.spec(chart)["layout"]["height"], abs=1)
                plot = tab.page.evaluate(f"document.getElementById('{chart}')._fullLayout._size.w")
                assert plot >= 0.45 * box["width"], chart

    def test_colours_follow_the_scheme(self, browser, demo):
        with Tab(browser, demo) as tab:
            tab.open_all()
            for scheme in ("light", "dark", "light"):
                tab.page.emulate_media(color_scheme=scheme)
                tab.page.wait_for_timeout(300)
                body = tab.page.evaluate("getComputedStyle(document.body).color")
                for chart in tab.charts():
                    texts = tab.page.locator(f"#{chart} .xtick text, #{chart} .ytick text")
                    if texts.count():
                        assert texts.first.evaluate("e => getComputedStyle(e).fill") == body, chart

    def test_keyboard(self, browser, demo):
        with Tab(browser, demo) as tab:
            tab.page.keyboard.press("Tab")
            assert tab.page.evaluate("document.activeElement.textContent") == "Skip to the summary"
            tab.page.keyboard.press("Enter")
            assert tab.page.url.endswith("#summary")
            summaries = tab.page.locator("main summary")
            for _ in range(40):
                tab.page.keyboard.press("Tab")
                if tab.page.evaluate("document.activeElement.tagName") == "SUMMARY":
                    break
            assert summaries.first.evaluate("e => e === document.activeElement")
            outline = summaries.first.evaluate("e => getComputedStyle(e).outlineStyle")
            assert outline == "solid"
            tab.page.keyboard.press("Enter")
            assert summaries.first.evaluate("e => e.parentElement.open")

    def test_printing_draws_every_chart_that_is_unfolded(self, browser, demo):
        with Tab(browser, demo) as tab:
            tab.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
            undrawn = (
                "[...document.querySelectorAll('.chart')].filter(c => c.offsetParent && !c.children.length)"
            )
            assert tab.page.evaluate(f"{undrawn}.length") == 0


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


def drawn(trace):
    """The values a trace draws along its measured axes; places of named rows are not values."""
    match trace["type"]:
        case "bar" if trace.get("orientation") == "h":
            return set(map(float, trace["x"]))
        case "heatmap":
            return {float(value) for row in trace["z"] for value in row}
        case "treemap":
            return set(map(float, filter(None, trace["values"])))
        case _:
            named = all(isinstance(y, int) for y in trace["y"]) and len(set(trace["y"])) in (
                1,
                len(trace["y"]),
            )
            return set(map(float, trace["x"])) | (set() if named else set(map(float, trace["y"])))
