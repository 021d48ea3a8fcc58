"""One self-contained HTML file: its elements, in which all text is escaped, and the frame around its sections.

Nothing is read from elsewhere, and the page's own security policy forbids it: style and script are inside, and no other
script runs. It is readable without the script, which only adds filters.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape, unescape
from importlib.resources import files

from kdner import __version__

_NOT_SHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What would be invisible, or would turn round the text that follows: controls, marks of direction, half surrogates."""
_VOID = frozenset(["meta", "input"])
"""Elements without an end."""


class Html(str):
    """Markup. Every other string is text, and is escaped where it comes into a page."""

    __slots__ = ()


def text(value: object) -> Html:
    """Return text as markup; what cannot be seen is named by its code point."""
    if isinstance(value, Html):
        return value
    return Html(_NOT_SHOWN.sub(lambda c: f'<span class="control">{_code(c)}</span>', escape(str(value))))


def element(name: str, /, *children: object, **attributes: object) -> Html:
    """Return an element.

    Args:
        name: of the element.
        children: markup, or text, which is escaped; None is left out.
        attributes: by name, `_` at the end dropped, else read as `-`; one that is None or False is left out, one that
            is True has no value.
    """
    given = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False
    )
    inside = "".join(text(child) for child in children if child is not None)
    return Html(f"<{name}{given}>" if name in _VOID else f"<{name}{given}>{inside}</{name}>")


def joined(parts: Iterable[object], between: str = "") -> Html:
    """Return markup and text one after the other."""
    return Html(text(between).join(map(text, parts)))


def table(
    caption: object, head: Sequence[object], rows: Iterable[Sequence[object]], *, note: object = None, names: int = 1
) -> Html:
    """Return a table that can be scrolled sideways; its first cells of a row are names, all others are figures.

    Args:
        caption: what it shows.
        head: names of the columns.
        rows: cells, the first of which names its row.
        note: what a reader must know, below.
        names: how many cells of a row hold words, and not figures.
    """
    kinds = [None if number < names else "n" for number in range(len(head))]
    heads = [element("th", cell, scope="col", class_=kind) for cell, kind in zip(head, kinds, strict=True)]
    lines = []
    for name, *others in rows:
        cells = [element("td", cell, class_=kind) for cell, kind in zip(others, kinds[1:], strict=True)]
        lines.append(element("tr", element("th", name, scope="row"), *cells))
    whole = element(
        "table",
        element("caption", element("span", caption, class_="caption")),
        element("thead", element("tr", joined(heads))),
        element("tbody", *lines),
    )
    region = element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=_plain(caption))
    return joined([region, element("p", note, class_="note") if note else ""])


def section(name: str, title: str, *parts: object) -> Html:
    """Return a section with its heading, which the contents lead to by its name."""
    return element(
        "section", element("h2", title, id=f"{name}-title"), *parts, id=name, aria_labelledby=f"{name}-title"
    )


def details(summary: object, *parts: object, open_: bool = False) -> Html:
    """Return parts that a reader unfolds."""
    return element("details", element("summary", summary), *parts, open=open_)


def facts(values: Iterable[tuple[str, object]]) -> Html:
    """Return a few figures with their names."""
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in values]
    return element("dl", *pairs, class_="facts")


def page(title: str, lead: object, sections: Sequence[tuple[str, str, Html]]) -> str:
    """Return a whole page.

    Args:
        title: its heading.
        lead: what it is about, in a sentence or two.
        sections: of each its name, its short title for the contents, and its markup.
    """
    style, script = _asset("page.css"), _asset("page.js")
    policy = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"kdner {__version__}"),
        element("title", _plain(title)),
        element("style", style),
    )
    contents = [element("li", element("a", short, href=f"#{name}")) for name, short, _ in sections]
    body = element(
        "body",
        element("a", "To the content", class_="skip", href="#content"),
        element("header", element("h1", title), element("p", lead, class_="lead")),
        element("nav", element("ul", *contents), aria_label="Contents"),
        element("main", *(markup for _, _, markup in sections), id="content", tabindex=-1),
        element(
            "footer", element("p", f"Made by kdner {__version__}. This file is whole: it reads nothing from elsewhere.")
        ),
        element("script", script),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


@cache
def _asset(name: str) -> Html:
    return Html(files("kdner.pages").joinpath(name).read_text("utf-8"))


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _attribute(key: str, value: object) -> str:
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_NOT_SHOWN.sub(_code, escape(str(value)))}"'


def _plain(markup: object) -> str:
    """Return the text of markup, for places that take no elements."""
    return unescape(re.sub("<[^>]*>", "", text(markup)))


def _code(match: re.Match[str]) -> str:
    return f"U+{ord(match[0]):04X}"
