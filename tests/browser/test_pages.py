"""The other pages in a real browser: machines beside each other, a search, a reproduction, a tree."""

import pytest

from rapidnn.machine.description import load_hardware
from rapidnn.report import write_comparison, write_report
from rapidnn.report.reproduction import write_reproduction
from rapidnn.report.sizes import level_points
from rapidnn.report.study import write_study
from rapidnn.rivals.compare import compare
from tests.browser.checks import downloads_hold_what_is_drawn, fits, no_grave_violation, tells_its_values
from tests.report.networks import cost_of, evaluation_of, mlp
from tests.report.reproductions import reproduction
from tests.report.test_parts import inputs_for
from tests.report.test_study import study

pytestmark = pytest.mark.slow


def _comparison(path):
    composed = mlp()
    write_comparison(path, compare(composed, inputs_for(composed), ["isaac", "gtx1080"]), title="machines")


def _tree(path):
    composed = mlp(tree=8)
    found = evaluation_of(composed)
    composed.info["validation"] = found.to_json()
    composed.info["levels"] = {"1": found.to_json(), "2": found.to_json()}
    points = level_points(composed, inputs_for(composed), load_hardware("rapidnn-hpca20"))
    write_report(path, composed, evaluation=found, cost=cost_of(composed), title="a tree", sizes=points)


PAGES = {
    "comparison": _comparison,
    "study": lambda path: write_study(path, study(), "digits-cnn", "study"),
    "reproduction": lambda path: write_reproduction(path, reproduction()),
    "tree": _tree,
}


@pytest.fixture(scope="module", params=list(PAGES))
def page(request, browser, tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / f"{request.param}.html"
    PAGES[request.param](path)
    return path


def test_every_chart_is_drawn_and_tells_its_values(browser, page):
    tells_its_values(browser, page)


def test_downloads_hold_what_is_drawn(browser, page):
    downloads_hold_what_is_drawn(browser, page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_violation(browser, page, scheme):
    no_grave_violation(browser, page, scheme)


def test_fits_a_narrow_screen(browser, page):
    fits(browser, page, 400)
