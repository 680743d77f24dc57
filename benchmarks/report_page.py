"""Size of a report and how fast it opens: ``python benchmarks/report_page.py REPORT.html [ROUNDS]``.

A headless Chromium (found by name, network off) opens the file anew each round. ``load_ms`` is from the navigation's
start to the end of the load event, ``first_chart_ms`` to the first chart drawn, ``all_charts_ms`` to the last one that
is unfolded; medians. Rows are printed as the common JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
from pathlib import Path

import rapidnn

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

WATCH = """
window.drawn = [];
new MutationObserver(() => {
  const open = [...document.querySelectorAll(".chart")].filter(box => box.offsetParent);
  const done = open.filter(box => box.querySelector(".main-svg")).length;
  if (done && !window.drawn[0]) window.drawn[0] = performance.now();
  if (done && done === open.length) window.drawn[1] = window.drawn[1] || performance.now();
}).observe(document, {childList: true, subtree: true});
"""


def main() -> None:
    """Print the rows of two widths."""
    from playwright.sync_api import sync_playwright

    path, rounds = Path(sys.argv[1]).absolute(), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    browser_path = next(filter(None, map(shutil.which, NAMES)))
    rows = []
    with sync_playwright() as driver:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox refuses root
        browser = driver.chromium.launch(executable_path=browser_path, args=arguments)
        for width in (1280, 400):
            times = []
            for _ in range(rounds):
                context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
                page = context.new_page()
                page.add_init_script(WATCH)
                page.goto(path.as_uri())
                while page.evaluate("window.drawn.length") < 2:
                    page.wait_for_timeout(50)
                load = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
                times.append((load, *page.evaluate("window.drawn")))
                context.close()
            load_ms, first_ms, all_ms = (statistics.median(column) for column in zip(*times, strict=True))
            rows.append(
                {
                    "report": path.name,
                    "mb": path.stat().st_size / 1e6,
                    "width_px": width,
                    "rounds": rounds,
                    "load_ms": load_ms,
                    "first_chart_ms": first_ms,
                    "all_charts_ms": all_ms,
                    "browser": browser.version,
                }
            )
        browser.close()
    document = {"schema": "rapidnn/report-page/1", "command": "report_page", "version": rapidnn.__version__}
    print(json.dumps(document | {"result": {"rows": rows}}, indent=1))


if __name__ == "__main__":
    main()
