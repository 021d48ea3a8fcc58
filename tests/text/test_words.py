from __future__ import annotations

import time
import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from kdner.errors import InputError
from kdner.text.long_sentences import MAX_SENTENCE_WORDS
from kdner.text.splitter import Splitter
from kdner.text.words import MAX_WORD_CHARACTERS, count_words, readable, split, split_words, word_text

PARTS = [
    "Dr. Smith", "U.S.", "'s", "O'Brien", "1,000.5", "1996-08-22", ". ", "! ", "...",
    "\n", "\n\n", "\r\n", " ", "  ", ", ", "東京", "。", "नमस्ते", "e\u0301", "👩\u200d🚀", "שלום", "\u200b", "\u00ad",
    "\u2060", "\ufeff", "\u200f", "\u202a", "\ufe0f", "\u200c", "\u2028", "\u2029", "\r", "\f", "«", " » ",
    "।", "۔", "؟", "։ ", "ー", "ﾞ", "ანა. ", "京.", "ST. ", "\x00", "\ud800", "a" * 150, "word ", "Word ",
]  # fmt: skip
HIDDEN = regex.compile(r"(?V1)[[\p{Cf}[\p{M}&&\p{DI}]]--[\u200b-\u200d]]")
TEXT = st.one_of(st.text(), st.lists(st.sampled_from(PARTS), max_size=60).map("".join))


def words_of(text):
    return [sentence.words for sentence in split(text)]


def skipped(text):
    """Whether the splitter may leave a character out of every word."""
    return all(c.isspace() or hidden(c) or (unicodedata.category(c) in ("Cc", "Cf") and c != "\0") for c in text)


def hidden(character):
    """Whether a character is looked through, wherever it stands."""
    return HIDDEN.fullmatch(character) is not None


@settings(max_examples=300)
@given(TEXT)
def test_words_lie_in_order_at_their_offsets_and_nothing_visible_is_lost(text):
    end = 0
    for sentence in split(text):
        assert 1 <= len(sentence.words) <= MAX_SENTENCE_WORDS
        assert len(sentence.words) == len(sentence.starts) == len(sentence.ends)
        for word, first, last in zip(sentence.words, sentence.starts, sentence.ends, strict=True):
            assert first < last and word == word_text(readable(text[first:last]))
            assert not hidden(text[first]) and not hidden(text[last - 1])
            assert first >= end and skipped(text[end:first])
            end = last
    assert skipped(text[end:])


@settings(max_examples=300)
@given(TEXT)
def test_words_are_in_nfc_and_hold_nothing_hidden(text):
    for word in split_words(text).words:
        assert word and unicodedata.is_normalized("NFC", word) and not any(map(hidden, word))


@settings(max_examples=200)
@given(TEXT)
def test_sentences_never_change_the_words(text):
    whole = split_words(text)
    parts = split(text)
    for field in ("words", "starts", "ends"):
        assert [value for part in parts for value in getattr(part, field)] == getattr(whole, field)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the U.S. bank", "the|U.S.|bank"),
        ("at 9 a.m. today", "at|9|a.m.|today"),
        ("O'Brien's", "O|'|Brien|'s"),
        ("Peter’s dogs'", "Peter|’s|dogs|'"),
        ("$1,000.5 (1996-08-22)", "$|1,000.5|(|1996-08-22|)"),
        ("won 6-4, 7:30", "won|6-4|,|7:30"),
        ("1990s 3rd B2B", "1990s|3rd|B2B"),
        ("东京2020 ok", "东|京|2020|ok"),
        ("नमस्ते दुनिया", "नमस्ते|दुनिया"),
        ("Zu\u0308rich cafe\u0301", "Z\xfcrich|caf\xe9"),
        ("E\u0301.U. won", "\xc9.U.|won"),
        ("hi 👩\u200d🚀", "hi|👩|🚀"),
        ("שלום, עולם", "שלום|,|עולם"),
        ("مي\u200cخواهم", "مي\u200cخواهم"),
        ("Auf\u200clage a\u200c, b", "Auflage|a|,|b"),
        ("a\u200bb\u00adc", "a|bc"),
        ("x\x00y\ud800z\x01a", "x|\ufffd|y|\ufffd|z|a"),
        ("北京.上海", "北|京|.|上|海"),
        ("พ.แม่ A.B", "พ|.|แ|ม่|A.B"),
        ("ソニーPlayStation ユーザーID", "ソ|ニ|ー|PlayStation|ユ|ー|ザ|ー|ID"),
        ("ｻｰﾊﾞｰLinux 〆切", "ｻ|ｰ|ﾊﾞ|ｰ|Linux|〆|切"),
        ("AT&T #1", "AT|&|T|#|1"),
    ],
)
def test_words(text, words):
    assert split_words(text).words == words.split("|")


@pytest.mark.parametrize(
    "hidden",
    ["\u00ad", "\u2060", "\ufeff", "\u200e", "\u200f", "\u202a", "\u2069", "\ufe0e", "\U000e0100", "\u00ad\u2060"],
)
def test_what_is_never_seen_belongs_to_the_word_around_it_and_to_none_at_its_edges(hidden):
    text = "_An_gela Mer_kel_ won 1_0._ U._S. _ _Pa_ris".replace("_", hidden)
    first, second = split(text)
    assert first.words == ["Angela", "Merkel", "won", "10", "."] and second.words == ["U.S.", "Paris"]
    found = [text[start:end] for part in (first, second) for start, end in zip(part.starts, part.ends, strict=True)]
    between = ["An", "gela"], ["Mer", "kel"], ["won"], ["1", "0"], ["."], ["U.", "S."], ["Pa", "ris"]
    assert found == [hidden.join(parts) for parts in between]


def test_a_word_is_the_same_however_it_is_written():
    names = [
        "Jos\xe9 Garc\xeda flew to K\xf6ln",
        "Jose\u0301 Garci\u0301a flew to Ko\u0308ln",
        "Jos\xad\xe9 Garc\xeda flew to K\xf6ln",
    ]
    assert {tuple(split_words(name).words) for name in names} == {("Jos\xe9", "Garc\xeda", "flew", "to", "K\xf6ln")}
    nfd = split_words(names[1])
    assert [names[1][a:b] for a, b in zip(nfd.starts, nfd.ends, strict=True)] == names[1].split()


def test_a_word_that_is_hyphenated_over_two_lines_is_two():
    assert words_of("Frau Mer\u00ad\nkel reiste.") == [["Frau", "Mer", "kel", "reiste", "."]]


def test_a_very_long_word_becomes_several():
    lengths = [len(word) for word in split_words("b" * (2 * MAX_WORD_CHARACTERS + 5)).words]
    assert lengths == [MAX_WORD_CHARACTERS, MAX_WORD_CHARACTERS, 5]
    assert max(map(len, split_words("7" * 1000).words)) == MAX_WORD_CHARACTERS


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("He left. She stayed.", ["He left .", "She stayed ."]),
        ('He said "no." She left.', ['He said " no . "', "She left ."]),
        ("What?! Yes… No.", ["What ? !", "Yes …", "No ."]),
        ("J. Smith met Mr. Brown and Dr. No.", None),
        ("Sales of the U.S. Army rose.", None),
        ("It rose 3.5 percent. 20 firms fell.", ["It rose 3.5 percent .", "20 firms fell ."]),
        ("see e.g. this one", None),
        ("it was wrapped\nat this place", None),
        ("it was wrapped\n   with an indent", None),
        ("it was wrapped\r\nat this place", None),
        ("STOCKS RISE\nShares rose on Monday.", ["STOCKS RISE", "Shares rose on Monday ."]),
        ("one paragraph\n\nanother one", ["one paragraph", "another one"]),
        ("one paragraph \r\n \t\r\n another one", ["one paragraph", "another one"]),
        (
            "Paris\u2028Angela Merkel said so.\u2029Berlin agreed.",
            ["Paris", "Angela Merkel said so .", "Berlin agreed ."],
        ),
        ("it was wrapped\u2028at this place", None),
        ("one paragraph\u2029another one", ["one paragraph", "another one"]),
        *((f"STOCKS{end}Shares rose{end}on", ["STOCKS", "Shares rose on"]) for end in "\v\f\r\x85"),
        ("a page\n\fand the next\r\n\fone", None),
        ("a page\f\fanother", ["a page", "another"]),
        ("Mac\rlines\r\rparagraph", ["Mac lines", "paragraph"]),
        ("Terminó. ¿Quién ganó? ¡Ana!", ["Terminó .", "¿ Quién ganó ?", "¡ Ana !"]),
        ("« Je pars. » Il sortit. « mais non ! »\xa0Oui", ["« Je pars . »", "Il sortit .", "« mais non ! »", "Oui"]),
        ("Sie sagte: „Ich gehe.“ Dann ging sie.", ["Sie sagte : „ Ich gehe . “", "Dann ging sie ."]),
        ("»Ich gehe.« »Ich auch.«", ["» Ich gehe . «", "» Ich auch . «"]),
        ("他来了。她走了！", ["他 来 了 。", "她 走 了 ！"]),
        ("वह आया. यह गया.", ["वह आया .", "यह गया ."]),
        ("वह आया। “यह” गया॥ वह", ["वह आया ।", "“ यह ” गया ॥", "वह"]),
        ("هل جاء؟! نعم، جاء. ثم ذهب", ["هل جاء ؟ !", "نعم ، جاء .", "ثم ذهب"]),
        ("وہ آیا۔ بی۔بی۔سی نے کہا۔", ["وہ آیا ۔", "بی ۔ بی ۔ سی نے کہا ۔"]),
        ("Նա եկավ։ Հետո գնաց։", ["Նա եկավ ։", "Հետո գնաց ։"]),
        ("እሱ መጣ። ሄደ።", ["እሱ መጣ ።", "ሄደ ።"]),
        ("ანა წავიდა. ბექა მოვიდა.\nთბილისი დიდია.", ["ანა წავიდა .", "ბექა მოვიდა .", "თბილისი დიდია ."]),
        ("他去了北京. 他很高兴｡走", ["他 去 了 北 京 .", "他 很 高 兴 ｡", "走"]),
    ],
)
def test_sentences(text, sentences):
    expected = [" ".join(split_words(text).words)] if sentences is None else sentences
    assert [" ".join(words) for words in words_of(text)] == expected


HARD_WRAPPED = "Police said Angela\nMerkel met Dr.\r\nHansen in New\u2028York. He\nleft.\nShe stayed\n\nHeadline\nof it"


def test_where_text_is_hard_wrapped_only_a_blank_line_ends_a_sentence():
    assert [" ".join(sentence.words) for sentence in split(HARD_WRAPPED, hard_wrapped=True)] == [
        "Police said Angela Merkel met Dr. Hansen in New York .".replace("Dr.", "Dr ."),
        "He left .",
        "She stayed",
        "Headline of it",
    ]
    assert len(split(HARD_WRAPPED)) == 7


@pytest.mark.parametrize(
    ("language", "text", "count"),
    [
        ("en", "Gov. Brown met Prof. Lee. No one else came.", 2),
        ("de", "Am 3. Oktober zahlte z. B. Prof. Weber 5 Mio. Euro an Ludwig XIV. Das war 1990. Dann ging er.", 2),
        ("de", "Sie kam um 5:30. Er blieb.", 2),
        ("en", "Am 3. Oktober kam er.", 2),
        ("en", "ST. PETERSBURG, RUSSIA: GOV. BROWN MET DR. LEE. THEN HE LEFT.", 2),
        ("en", "He met dr. Smith in Ft. Worth, Calif. Then he left.", 1),
        ("es", "LA SRA. PÉREZ VINO. SE FUE.", 2),
        ("fr", "M. Blanc et Mme. Noir virent Mgr. Brun en févr. 2020. Ils partirent à sept. Puis rien.", 3),
        ("es", "El Sr. García llegó a EE. UU. La Dra. Ruiz no. Ella vive en la Avda. Goya.", 2),
        ("it", "Il dott. Rossi vide l'on. Bianchi. Poi partì, ecc. Fine.", 3),
        ("nl", "Dhr. Jansen en mevr. De Vries betaalden 5 mln. Toen gingen zij, enz. Einde.", 2),
        ("pt", "O Sr. Silva e a Dra. Costa moram na Av. Brasil. Depois saíram.", 2),
        ("other", "J. Smith met Dr. Brown.", 2),
        ("pt", "A Cia. Ve\u0301u falou na pa\u0301g. Um.", 1),
    ],
)
def test_abbreviations_are_those_of_the_language(language, text, count):
    assert len(split(text, language)) == count


def test_an_unknown_language_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"'xx'.*en, de, fr, es, it, nl, pt, other"):
        split("Text.", "xx")


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n", "\u200b\x01\ufeff"])
def test_text_without_words_gives_no_sentences(text):
    assert split(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "a" * 5_000_000, "1" * 500_000 + "x", "." * 500_000, " " * 500_000 + "x",
        "\n " * 250_000, "a." * 250_000, '."' * 100_000, "\u00ad" * 200_000 + "x", "x" + "\u200b" * 200_000 + "x",
        "\u00ad\u200b" * 100_000 + "x", "a" + "\u200d" * 200_000, "a\u200d" * 100_000, "e" + "\u0301" * 200_000,
        "." + " " * 200_000 + "»" * 50_000, "«" * 100_000, ". » " * 50_000, "Mr. " * 50_000, "3." * 100_000,
    ],
    ids=[
        "one letter", "digits", "dots", "blanks", "empty lines", "initials", "quotes", "soft hyphens", "zero width",
        "soft hyphens and zero width", "joiners", "joined letters", "accents", "closing quotes", "opening quotes",
        "stops and quotes", "abbreviations", "ordinals",
    ],
)  # fmt: skip
def test_time_is_linear_in_characters_that_follow_one_another(text):
    started = time.process_time()
    split(text)
    Splitter().split([text])
    assert time.process_time() - started < 10


def test_count_words_counts_white_space_separated_words():
    assert count_words(" The U.S. won,\n2-1. ") == 4
