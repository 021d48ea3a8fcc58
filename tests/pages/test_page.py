from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from html_pages import Page, check_page

from kdner.pages.page import Html, details, element, joined, page, section, table, text

ROOT = Path(__file__).parents[2]
CSS = (ROOT / "kdner" / "pages" / "page.css").read_text("utf-8")
EVIL = "<script>alert(1)</script>&\"'\u202eabc\x07\ud800\r"


def test_text_is_escaped_wherever_it_stands():
    markup = element("p", EVIL, EVIL, title=EVIL, data_label=EVIL)
    read = Page(markup)
    assert read.all("p") == [
        dict.fromkeys(("title", "data-label"), "<script>alert(1)</script>&\"'U+202EabcU+0007U+D800U+000D")
    ]
    assert not read.all("script") and read.text.count("<script>alert(1)</script>") == 2
    assert markup.encode("utf-8")


def test_what_cannot_be_seen_is_named():
    assert text("a\u200fb\x00\u2066") == (
        'a<span class="control">U+200F</span>b<span class="control">U+0000</span><span class="control">U+2066</span>'
    )
    assert text("tab\tand\nline, naïve שלום 東京") == "tab\tand\nline, naïve שלום 東京"


def test_markup_stays_and_joins_with_text():
    bold = element("b", "<")
    assert isinstance(bold, Html) and element("p", bold, None, "&", 3) == "<p><b>&lt;</b>&amp;3</p>"
    assert joined([bold, "<"], " & ") == "<b>&lt;</b> &amp; &lt;"
    assert element("option", "any", value="", selected=True, hidden=False, class_=None) == (
        '<option value="" selected>any</option>'
    )


def test_a_table_can_be_read_by_its_headings():
    markup = table(element("b", "Quality"), ["model", "F1"], [["<student>", "0.8"], ["teacher", "0.9"]], note="of two")
    read = Page(markup)
    assert [cell["scope"] for cell in read.all("th")] == ["col", "col", "row", "row"]
    (region,) = (attributes for attributes in read.all("div"))
    assert (region["role"], region["tabindex"], region["aria-label"]) == ("region", "0", "Quality")
    assert "&lt;student&gt;" in markup and "of two" in read.text


def test_what_is_text_only_is_escaped_once():
    region, _ = Page(table("R&D <x> \u202e", ["a"], [["b"]]) + table(element("b", "R&D"), ["a"], [["b"]])).all("div")
    assert region["aria-label"] == "R&D <x> U+202E"
    assert 'aria-label="R&amp;D"' in table(element("b", "R&D"), ["a"], [["b"]])
    assert "<title>R&amp;D &lt;x&gt;</title>" in page("R&D <x>", "", [])


def test_a_page_is_whole_and_its_policy_lets_its_own_style_and_script_run():
    content = section("one", "One & only", table("t", ["a"], [["b"]]), details("more", element("p", "inside")))
    markup = page(EVIL, f"about {EVIL}", [("one", "One", content)])
    read = check_page(markup)
    (policy,) = (meta["content"] for meta in read.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", markup, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "alert(1)</script>" not in markup


def test_every_file_that_is_no_code_is_in_the_package():
    named = re.search(r'"kdner.pages" = \[(.*?)\]', (ROOT / "pyproject.toml").read_text("utf-8"))[1]
    folder = ROOT / "kdner"
    others = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".md")}
    assert {f'"{path.name}"' for path in others if path.parent.name == "pages"} == set(named.split(", "))


def variables(block):
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))


LIGHT, DARK = (variables(block) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL))
PAIRS = [
    *((ink, ground) for ink in ("ink", "muted", "accent", "wrong") for ground in ("paper", "sheet")),
    *((f"t{n}", f"c{n}") for n in range(8)),
    *(("ink", f"c{n}") for n in range(8)),
    *(("ink", f"{shade}{n}") for shade in "se" for n in range(1, 7)),
    *((f"t{n}", "paper") for n in (0, 2, 4, 6)),
]


def luminance(colour):
    """As WCAG 2.1 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_wcag_does():
    assert contrast("#000000", "#ffffff") == 21 and contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_all_text_can_be_read_against_its_ground(scheme):
    assert DARK.keys() == LIGHT.keys()
    weak = {pair: round(contrast(scheme[pair[0]], scheme[pair[1]]), 2) for pair in PAIRS}
    assert not {pair: ratio for pair, ratio in weak.items() if ratio < 4.5}
    for drawn in ("wrong", "fill"):  # not text: 3 is asked for
        assert contrast(scheme[drawn], scheme["paper"]) >= 3
