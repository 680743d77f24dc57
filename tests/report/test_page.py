"""The page: well formed, self-contained, escaped, small, the same every time, and honest about what is missing."""

import itertools
import re

import numpy as np
import pytest

from rapidnn.errors import DataError
from rapidnn.report import facts, render, write_report
from rapidnn.report.html import plotly_js
from tests.report.networks import Net, cnn, cost_of, evaluation_of, mlp, tanh_net
from tests.report.pages import Page

NETWORKS = {"mlp": mlp, "cnn": cnn, "tanh": tanh_net}


def full(composed, title="a report"):
    return render(composed, evaluation=evaluation_of(composed), cost=cost_of(composed), title=title)


@pytest.fixture(scope="module", params=NETWORKS)
def rendered(request):
    composed = NETWORKS[request.param]()
    html = full(composed)
    return request.param, composed, html, Page(html)


def test_ids_are_unique_and_links_lead_somewhere(rendered):
    *_, page = rendered
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    inner = [a["href"] for a in page.all("a") if a["href"].startswith("#")]
    assert len(inner) >= 4
    assert all(href[1:] in ids for href in inner)
    assert all(attrs["aria-labelledby"] in ids for _, attrs in page.elements if "aria-labelledby" in attrs)


def test_headings_do_not_skip_a_level(rendered):
    *_, page = rendered
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_nothing_is_fetched(rendered):
    _, _, html, page = rendered
    for tag, attrs in page.elements:
        assert not {"src", "srcset", "action", "poster", "data"} & set(attrs), tag
        if "href" in attrs:
            assert tag == "a"
            assert attrs["href"].startswith(("#", "data:text/csv"))
    assert page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"].startswith(
        "default-src 'none'"
    )
    library = plotly_js()
    assert html.count(library) == 1
    rest = html.replace(library, "")
    assert not re.search(r"https?://|@import|url\(|\bimport\(|fetch\(|XMLHttpRequest", rest)


def test_every_chart_has_its_reading_table_and_csv(rendered):
    *_, page = rendered
    charts = page.chart_ids()
    assert len(charts) >= 8
    for chart in charts:
        spec, rows = page.spec(chart), page.csv(chart)
        box = next(a for a in page.all("div") if a.get("id") == chart)
        assert box["role"] == "group"
        assert len(box["aria-label"]) > 8
        assert page.all("p", id=box["aria-describedby"])
        assert len(rows) >= 2
        assert sum(len(t[1:]) == len(rows) - 1 and len(t[0]) == len(rows[0]) for t in page.tables if t) >= 1
        points = sum(len(t.get("values", ())) or np.size(t.get("z", t.get("x"))) for t in spec["data"])
        assert 0 < points <= (64 * 64 if spec["data"][0]["type"] == "heatmap" else 303)
        axes = [v for k, v in spec["layout"].items() if k.startswith("xaxis")]
        assert all(axis["title"]["text"] for axis in axes)


def test_plotly_accepts_every_figure(rendered):
    from plotly.graph_objects import Figure

    *_, page = rendered
    for chart in page.chart_ids():
        Figure(page.spec(chart))


def test_sections(rendered):
    name, composed, _, page = rendered
    sections = [a["id"] for a in page.all("section")]
    wanted = ["summary", "accuracy", "layers", *(["activations"] if name == "tanh" else []), "machine"]
    assert sections == wanted
    for layer in facts.layers(composed.program):
        assert layer.name in page.text
    assert "recalled" in page.text
    assert "mixed records" in page.text


def test_equal_arguments_give_equal_text(rendered):
    name, _, html, _ = rendered
    assert full(NETWORKS[name]()) == html


def test_names_are_shown_and_not_obeyed():
    evil = "<script>alert('a')</script><b>&amp;</b>{{ 7 * 7 }}"
    composed = mlp(first=evil)
    composed.info["network"] = evil
    html = full(composed, title=evil)
    page = Page(html)
    assert page.text.count(evil) >= 4
    assert not page.all("b")
    plain = [attrs for attrs, _ in page.scripts if "type" not in attrs]
    assert len(plain) == 2
    for chart in page.chart_ids():
        spec = page.spec(chart)
        names = [t for k, v in spec["layout"].items() if "axis" in k for t in v.get("ticktext", [])]
        names += [name for trace in spec["data"] for name in trace.get("labels", [])]
        assert not any("<" in str(name) for name in names)


def test_missing_parts_say_how_to_get_them():
    composed = tanh_net()
    page = Page(render(composed, evaluation=None, cost=None, title="bare"))
    assert "Accuracy was not measured" in page.text
    assert "machine was not estimated" in page.text
    assert page.text.count("--data") == 2
    assert "not measured" in page.text
    assert not {"classes", "energy", "area"} & set(page.chart_ids())
    composed.info.clear()
    assert (
        "not recorded in the artifact" in Page(render(composed, evaluation=None, cost=None, title="x")).text
    )


def test_an_unknown_float_accuracy_is_said_to_be_unknown():
    composed = mlp()
    page = Page(render(composed, evaluation=evaluation_of(composed, with_float=False), cost=None, title="x"))
    assert "float accuracy not measured" in page.text
    assert "loss against its float original is not known" in page.text


def deep(width, **settings):
    net = Net((width,))
    for layer in range(45):
        net.linear(f"fc{layer}", width, width).act(f"relu{layer}", "relu")
    return net.linear("out", width, 200).compose(**settings)


def test_the_largest_tables_stay_under_six_megabytes():
    composed, cost = deep(300, weights=256, inputs=256), cost_of(deep(4))
    html = render(composed, evaluation=evaluation_of(composed, classes=200), cost=cost, title="large")
    assert len(html.encode()) < 6_000_000
    page = Page(html)
    assert "40 of 46 weighted layers" in page.text
    assert "longest of 47 stages are drawn" in page.text
    assert all(len(page.csv(chart)) <= 301 for chart in page.chart_ids())


def test_write_is_whole_or_absent(tmp_path):
    composed = mlp()
    path = tmp_path / "deep" / "report.html"
    write_report(path, composed, evaluation=None, cost=None, title="kept")
    assert path.read_text("utf-8") == render(composed, evaluation=None, cost=None, title="kept")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    with pytest.raises(DataError, match=r"cannot be written .*; choose a path you can write to") as caught:
        write_report(path / "below.html", composed, evaluation=None, cost=None, title="lost")
    assert "\n" not in str(caught.value)
