"""A headless Chromium with the network off, and what the tests ask of a page in it."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

MARKS = {
    "bar": ".bars .point path",
    "scatter": ".scatterlayer .point, .scatterlayer .js-line",
    "heatmap": ".heatmaplayer image",
    "treemap": ".treemaplayer .slice path.surface",
}
"""Where Plotly draws the marks of a kind of trace."""

WHERE = """(box, selector) => {
  const all = [...box.querySelectorAll(selector)];
  const points = all.filter(mark => !mark.classList.contains("js-line"));  // a line tells its values at its points
  const found = (points.length ? points : all).map(mark => {
    const r = mark.getBoundingClientRect();
    if (mark.classList.contains("js-line")) {
      const p = mark.getPointAtLength(mark.getTotalLength() / 2);
      const q = p.matrixTransform(mark.getScreenCTM());
      return {x: q.x, y: q.y, size: r.width + r.height};
    }
    const size = mark.closest(".scatterlayer") ? r.width + r.height : r.width * r.height;
    return {x: r.x + 0.52 * r.width, y: r.y + 0.52 * r.height, size: size};
  });
  return found.filter(mark => mark.size > 0).sort((a, b) => b.size - a.size);
}"""
"""Screen places of an element's drawn marks, the largest first."""


@contextmanager
def chromium():
    """A running browser; the test is skipped where there is none, or nothing to drive it with."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra 'dev')")
    root = os.geteuid() == 0  # Chromium's sandbox refuses root
    with sync_api.sync_playwright() as driver:
        own = driver.chromium.executable_path  # what "playwright install chromium" fetches
        path = next(filter(None, map(shutil.which, (*NAMES, own))), None)
        if path is None:
            pytest.skip("no Chromium here: install the package chromium, or run playwright install chromium")
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        yield browser
        browser.close()


class Tab:
    """A page opened from disk without a network; console messages and script errors are collected."""

    def __init__(self, browser, path, *, width=1280, scheme="light"):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            offline=True,
            accept_downloads=True,
            reduced_motion="reduce",
        )
        self.complaints, self.requests = [], []
        self.page = self.context.new_page()
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type != "log" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def open_all(self):
        """Unfold everything and wait until every chart is drawn."""
        self.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        for _ in range(300):  # the page forbids the evaluation that Playwright's own waiting needs
            undrawn = "c => !c.querySelector('.main-svg')"
            if not self.page.evaluate(f"[...document.querySelectorAll('.chart')].filter({undrawn}).length"):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("charts are not drawn after half a minute")

    def charts(self):
        """Ids of the charts, in the page's order."""
        return self.page.evaluate("[...document.querySelectorAll('.chart')].map(c => c.id)")

    def spec(self, chart):
        """A chart's figure as the page's JSON has it."""
        return self.page.evaluate(f"JSON.parse(document.getElementById('{chart}-spec').textContent)")

    def marks(self, chart, kind):
        """Screen places of the marks drawn in a chart, which is scrolled into view first."""
        box = self.page.locator(f"#{chart}")
        box.scroll_into_view_if_needed()
        return box.evaluate(WHERE, MARKS[kind])
