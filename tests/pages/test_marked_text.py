from __future__ import annotations

from html_pages import Page
from predicted import prediction

from kdner.measuring.errors import compare
from kdner.pages.marked_text import CHARACTERS, Mark, marked, marks_of

LABELS = ["LOC", "ORG", "PER"]


def shown(gold, predicted):
    one = prediction(gold, model=predicted)
    return Page(marked(one.text, marks_of(compare(one.gold, one.models["model"])), LABELS)).text


def test_entities_have_their_label_as_a_word_and_what_is_wrong():
    gold = "[Anna PER] met [Tom PER] in [Rome LOC] ."
    assert shown(gold, gold) == "Anna PER met Tom PER in Rome LOC ."
    assert shown(gold, "[Anna ORG 0.61] met Tom [in Rome LOC] [. ORG 0.5]") == (
        "Anna ORG · wrong label · 0.61 met Tom PER · missed in Rome LOC · wrong boundaries . ORG · spurious · 0.50"
    )


def test_what_was_missed_within_another_entity_follows_the_text():
    assert shown("[Rome LOC] [Lazio LOC] won", "[Rome Lazio LOC] won") == (
        "Rome Lazio LOC · wrong boundaries won Rome LOC · missed"
    )


def test_a_long_text_is_cut_around_what_matters():
    text = "x" * 5000 + "Rome" + "y" * 5000
    page = Page(marked(text, [Mark(0, 1, "PER"), Mark(5000, 5004, "LOC")], LABELS, first=5000))
    assert "Rome LOC" in page.text and page.text.startswith("[4,800 characters]x") and len(page.text) < CHARACTERS + 60
    assert page.text.endswith(f"[{10_004 - 4800 - CHARACTERS:,} characters]")


def test_texts_from_right_to_left_and_labels_beside_them_keep_their_order():
    markup = marked("פריז Paris", [Mark(0, 4, "LOC")], LABELS)
    assert '<span class="tag" dir="ltr">LOC</span>' in markup and Page(markup).text == "פריז LOC Paris"


def test_more_labels_than_colours():
    labels = [f"T{n}" for n in range(30)]
    assert 'class="entity c5"' in marked("ab", [Mark(0, 1, "T29")], labels)
