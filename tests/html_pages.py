"""Read a page as a browser or a screen reader would, and refuse what is not well-formed."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "input", "br", "hr", "img", "link"}


class Page(HTMLParser):
    """The elements of a page with their attributes, in order, and its text."""

    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.texts = [], [], []
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert len({name for name, _ in attributes}) == len(attributes), f"twice the same attribute: {attributes}"
        self.elements.append((tag, dict(attributes), list(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"{tag} closes what is not open"

    def handle_data(self, data):
        self.texts.append((data, self.open[-1] if self.open else ""))

    @property
    def text(self):
        return "".join(text for text, tag in self.texts if tag not in ("style", "script"))

    def all(self, tag):
        return [attributes for name, attributes, _ in self.elements if name == tag]


def check_page(markup):
    """Check what every page promises; returns it."""
    page = Page(markup)
    assert markup.startswith("<!DOCTYPE html>") and page.all("html") == [{"lang": "en"}]
    assert [len(page.all(tag)) for tag in ("title", "h1", "main", "header", "footer", "script", "style")] == [1] * 7
    assert all(nav["aria-label"] for nav in page.all("nav"))
    levels = [int(tag[1]) for tag, _, _ in page.elements if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and all(deeper <= before + 1 for before, deeper in pairwise(levels))
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"] for a in page.all("a")} <= {f"#{name}" for name in ids}
    for section in page.all("section"):
        assert section["aria-labelledby"] in ids
    assert len(page.all("table")) == len(page.all("caption")) > 0
    assert all(cell["scope"] in ("col", "row") for cell in page.all("th"))
    for attributes in page.all("svg"):
        assert attributes.get("aria-hidden") == "true" or (attributes["role"] == "img" and attributes["aria-label"])
    for _, attributes, _ in page.elements:
        assert not {"src", "style", "onclick", "onload"} & attributes.keys()
    assert "url(" not in markup and "@import" not in markup
    return page
