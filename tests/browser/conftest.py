"""One browser and one page for all tests of a worker."""

import pytest

from tests.browser.chrome import chromium
from tests.report.networks import cost_of, evaluation_of, tanh_net


@pytest.fixture(scope="session")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def small(browser, tmp_path_factory):
    """A small network's report, with every section."""
    from rapidnn.report import write_report

    composed = tanh_net()
    path = tmp_path_factory.mktemp("small") / "report.html"
    write_report(
        path, composed, evaluation=evaluation_of(composed), cost=cost_of(composed), title="a small report"
    )
    return path


@pytest.fixture(scope="session")
def demo(browser, tmp_path_factory):
    """The demo's report, made by its command."""
    from rapidnn.cli.main import exit_code

    folder = tmp_path_factory.mktemp("demo")
    assert exit_code(["demo", "--out", str(folder), "--json"]) == 0
    return folder / "report.html"
