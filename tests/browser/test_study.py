"""Linked views of a search's page."""

from rapidnn.report.study import write_study
from tests.browser.chrome import Tab
from tests.report.test_study import study


def test_a_design_is_marked_in_all_views(browser, tmp_path):
    path = tmp_path / "front.html"
    write_study(path, study(), "digits-cnn", "study")
    with Tab(browser, path) as tab:
        tab.open_all()
        tab.page.evaluate("scrollTo(0, document.getElementById('front-energy').offsetTop)")
        (mark, *_) = tab.page.locator("#front-energy").evaluate(
            "box => [...box.querySelectorAll('.scatterlayer .point')].map(p => p.getBoundingClientRect())"
            ".map(r => ({x: r.x + r.width / 2, y: r.y + r.height / 2}))"
        )
        tab.page.mouse.move(mark["x"], mark["y"], steps=3)
        told = []
        for chart in ("front-energy", "front-area"):
            text = tab.page.locator(f"#{chart} .hoverlayer .hovertext").first
            text.wait_for(state="attached", timeout=5000)
            told.append(text.text_content().split("w ")[0].strip())
        assert told[0] == told[1]
        assert "trial " in told[0]
        assert tab.complaints == []
