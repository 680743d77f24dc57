"""Reading a report back: a strict walk over its tags, and what they hold."""

import base64
import csv
import io
import json
from html.parser import HTMLParser

VOID = {"meta", "br", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """Checks that tags nest, and collects elements, texts, links and embedded charts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.words, self.scripts = [], [], [], []
        self.rows, self.tables = None, []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in <{tag}>"
        self.elements.append((tag, dict(attrs)))
        if tag in VOID:
            return
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "script":
            self.scripts.append([dict(attrs), ""])

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> while {self.open[-1]} is open"
        self.open.pop()

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts[-1][1] += data
        elif "style" not in self.open:
            self.words.append(data)
            if self.open and ("td" in self.open or "th" in self.open):
                self.tables[-1][-1][-1] += data

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag, **wanted):
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in wanted.items())]

    def chart_ids(self):
        return [a["id"] for a in self.all("div") if a.get("class") == "chart"]

    def spec(self, chart):
        found = [text for attrs, text in self.scripts if attrs.get("id") == f"{chart}-spec"]
        assert len(found) == 1
        return json.loads(found[0])

    def csv(self, name):
        links = [a["href"] for a in self.all("a", download=f"{name}.csv")]
        assert len(links) == 1, name
        head, _, body = links[0].partition(",")
        assert head == "data:text/csv;charset=utf-8;base64"
        return list(csv.reader(io.StringIO(base64.b64decode(body).decode())))
