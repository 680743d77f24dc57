"""Reports in a real browser: what is drawn, told on hovering, downloaded, and reached without a mouse."""

import pytest

from tests.browser.checks import downloads_hold_what_is_drawn, fits, no_grave_violation, tells_its_values
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


@pytest.mark.slow
class TestDemo:
    """The demo's report, as its reader meets it."""

    def test_every_chart_is_drawn_and_tells_its_values(self, browser, demo):
        tells_its_values(browser, demo)

    def test_downloads_hold_what_is_drawn(self, browser, demo):
        downloads_hold_what_is_drawn(browser, demo)

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_no_serious_violation(self, browser, demo, scheme):
        no_grave_violation(browser, demo, scheme)

    @pytest.mark.parametrize("width", [320, 400, 1280])
    def test_fits_its_width(self, browser, demo, width):
        fits(browser, demo, width)

    def test_is_small(self, demo):
        assert demo.stat().st_size < 6e6

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
