"""Invariants of the report:

- one page that asks for nothing else, with every figure that it was given;
- whatever texts hold is shown as text, never as HTML;
- missing parts are left out: no epochs, one epoch, no groups, no examples;
- curves skip what is not a number; the same run gives the same page;
- a report that fails leaves the one before.
"""

import base64
import html.parser
import io
import re
import xml.etree.ElementTree

import jinja2
import pytest
from rich.console import Console

from tfxc.serving import (
    draw_curves,
    metric_tables,
    print_metrics,
    report,
    write_report,
)

EVIL = "<script>alert('1')</script> & \"<img src=x onerror=y>\" {{ 7 * 7 }}"
METRICS = {
    **{f"{n}@{k}": 10 * k + i for i, n in enumerate(("P", "nDCG", "PSP"))
       for k in (1, 3, 5)},
    **{"PSnDCG@1": 61.237, "PSnDCG@3": None, "PSnDCG@5": float("nan")},
    **{"R@10": 71.5, "R@100": 100.0},
    **{"propensity_A": 0.6, "propensity_B": 2.6},
    **{"num_queries": 12345, "num_labels": 678},
    "groups": {
        "head": {"labels": 3, "pairs": 9, "P@1": 33.25, "R@10": None},
        "unseen": {"labels": 4321, "pairs": 0},
    },
    "zero_shot": {"P@1": 17.75, "num_queries": 1},
    **{"train_seconds": 75.4, "evaluate_seconds": 1, "peak_rss_gb": 2.345},
}  # fmt: skip
HISTORY = [
    {"epoch": 1, "loss": 3.5, "P@1": 20.0, "e1": 0.5, "note": "text"},
    {"epoch": "2", "loss": "1.25", "P@1": "", "e1": float("nan")},
    {"epoch": 3, "loss": 0.75, "P@1": 30.0, "R@10": 50.0},
]


def example(query, *hits):
    predicted = [
        {"name": f"label {i}", "score": 0.5 - i / 10, "hit": hit}
        for i, hit in enumerate(hits)
    ]
    return {"query": query, "relevant": ["true label"], "predicted": predicted}


class Elements(html.parser.HTMLParser):
    """Elements with their attributes, and the text outside of styles."""

    VOID = ("meta", "img", "br")

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(page)
        assert not self.open, "elements that are not closed"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def page_of(tmp_path, recipe=None, history=(), metrics=None, examples=()):
    path = tmp_path / "a run" / "report.html"
    write_report(path, recipe or {}, list(history), metrics or {}, examples)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_text("utf-8")


def svg_of(address):
    kind, _, data = address.partition(";base64,")
    assert kind == "data:image/svg+xml"
    return base64.b64decode(data).decode()


def test_shows_everything(tmp_path):
    recipe = {"options": {"name": "ngame"}, "recipe": {"ngrams": [4, 5]}}
    examples = [example("how so?", True, False), example("why?", False)]
    page = Elements(page_of(tmp_path, recipe, HISTORY, METRICS, examples))
    for shown in (
        "ngame · a run",
        "trained in 75 s · evaluated in 1.0 s · peak memory 2.35 GB",
        "12,345 queries, 678 labels. PSP with A = 0.6, B = 2.6.",
        "P 10.00 30.00 50.00",
        "PSnDCG 61.24 - -",
        "R 71.50 100.00",
        "head 3 9 33.25 - - - - -",
        "unseen 4,321 0 - - - - - -",
        "17.75",
        "how so?",
        "relevant: true label",
        "label 0 ✓ 0.500",
        "label 1 0.400",
        "recipe.ngrams [4, 5]",
    ):
        assert shown in page.text, shown


def test_asks_for_nothing_else(tmp_path):
    page = page_of(tmp_path, {}, HISTORY, METRICS, [example("q", True)])
    elements = Elements(page).elements
    images = [attributes for tag, attributes in elements if tag == "img"]
    assert len(images) == 3
    assert all(image["alt"] for image in images)
    assert {tag for tag, _ in elements}.isdisjoint({"script", "link", "iframe"})
    addresses = [
        value
        for _, attributes in elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action", "style")
    ]
    assert all(address.startswith("data:") for address in addresses)
    assert "url(" not in page and "@import" not in page
    for image in images:
        svg = svg_of(image["src"])
        found = re.findall(r'(?:href="|url\()([^")]+)', svg)
        assert found and all(address.startswith("#") for address in found)


def test_texts_are_never_html(tmp_path):
    examples = [example(EVIL, True), example("q", False)]
    examples[1]["relevant"] = [EVIL]
    examples[1]["predicted"][0]["name"] = EVIL
    metrics = {**METRICS, "groups": {EVIL: {"P@1": 1.0}}}
    history = [{"epoch": 1, EVIL: 1.0, "loss $x^2": 2.0, "_x": 1}] * 2
    page = page_of(tmp_path, {EVIL: EVIL}, history, metrics, examples)
    elements = Elements(page)
    assert not {"script"} & {tag for tag, _ in elements.elements}
    assert not any("onerror" in a for _, a in elements.elements)
    assert elements.text.count(EVIL) >= 6
    for tag, attributes in elements.elements:
        if tag == "img":
            svg = svg_of(attributes["src"])
            xml.etree.ElementTree.fromstring(svg)
            assert "<script" not in svg


@pytest.mark.parametrize("history", [[], [{"epoch": 1}], HISTORY[:1]])
@pytest.mark.parametrize("metrics", [{}, {"P@1": 5.0, "groups": {}}])
def test_missing_parts(tmp_path, history, metrics):
    page = Elements(page_of(tmp_path, {}, history, metrics))
    assert "None in the sample." in page.text
    assert ("Nothing was recorded." in page.text) == (history != HISTORY[:1])
    assert "Frequent and rare labels" not in page.text


def test_good_and_bad():
    examples = [
        example("first", True, True),
        example("second", False, True),
        example("none", False, False),
        example("no prediction"),
        *(example(f"more {i}", True) for i in range(9)),
    ]
    parts = report.good_and_bad(examples)
    shown = [[e["query"] for e in part["examples"]] for part in parts]
    assert shown == [
        ["first", "more 0", "more 1", "more 2", "more 3"],
        ["second"],
        ["none", "no prediction"],
    ]


def test_curves():
    curves = draw_curves(HISTORY)
    assert [curve.text for curve in curves] == [
        "loss 3.5 to 0.75",
        "percent: P@1 20 to 30; R@10 50",
        "mining: e1 0.5",
    ]
    for curve in curves:
        svg = svg_of(curve.image)
        xml.etree.ElementTree.fromstring(svg)
        assert "currentColor" in svg and "#010203" not in svg
        assert ">epoch<" in svg
    assert draw_curves(HISTORY) == curves
    assert draw_curves([]) == draw_curves([{"epoch": 1, "x": "n/a"}]) == []


def test_curves_of_refreshes():
    """Their times are among the seconds; a warm-up may have no figures."""
    history = [
        {"refreshes": 0, "rebalanced": 0, "refresh_seconds": 0.0, "seconds": 9},
        {"refreshes": 4, "rebalanced": 1, "refresh_seconds": 0.5, "seconds": 9},
    ]
    history[1] |= {"encoded_labels": 80, "stale_steps": 5}
    assert [curve.text for curve in draw_curves(history)] == [
        "labels: encoded_labels 80",
        "refreshes: refreshes 0 to 4; rebalanced 0 to 1",
        "seconds: refresh_seconds 0 to 0.5; seconds 9 to 9",
        "stale_steps 5",
    ]


def test_many_epochs():
    history = [{"epoch": i, "loss": 1 / i} for i in range(1, 500)]
    [curve] = draw_curves(history)
    assert curve.text == "loss 1 to 0.002004"
    assert len(svg_of(curve.image)) < 100_000


def test_a_failed_report_leaves_the_old_one(tmp_path, monkeypatch):
    page_of(tmp_path, {"first": 1})
    before = (tmp_path / "a run" / "report.html").read_text()
    with pytest.raises(jinja2.UndefinedError):
        write_report(
            tmp_path / "a run" / "report.html", {}, [], {}, [{"predicted": []}]
        )
    monkeypatch.setattr("os.replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(tmp_path / "a run" / "report.html", {}, [], {}, [])
    files = list((tmp_path / "a run").iterdir())
    assert [file.read_text() for file in files] == [before]


def test_tables_in_a_terminal():
    console = Console(width=80, file=io.StringIO())
    print_metrics(METRICS, console)
    text = console.file.getvalue()
    assert "PSP with A = 0.6, B = 2.6." in text
    assert re.search(r"PSnDCG +61\.24 +- +-", text)
    assert re.search(r"unseen +4,321 +0", text)
    assert max(map(len, text.splitlines())) <= 80
    titles = [table.title for table in metric_tables(METRICS)]
    assert titles == ["Test queries", "Frequent and rare labels", "Zero-shot"]
