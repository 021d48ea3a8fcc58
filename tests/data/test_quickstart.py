from __future__ import annotations

import collections
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import regex

from kdner.data import quickstart
from kdner.data.quickstart import write_quickstart
from kdner.data.quickstart_words import KIND_LABELS, NAMES, NUMBERS, PATTERNS, PHRASES, SHARED_NAMES, deal_tiers
from kdner.errors import InputError
from kdner.text.words import split, split_words

SLOT = regex.compile(r"\{(\w+)\}")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_quickstart(tmp_path_factory.mktemp("quickstart"))


@pytest.fixture(scope="module")
def documents(files):
    return pq.read_table(files.corpus)["text"].to_pylist()


def read_conll(path: Path) -> list[list[tuple[str, str]]]:
    blocks = path.read_text(encoding="utf-8").strip("\n").split("\n\n")
    return [[tuple(line.split("\t")) for line in block.splitlines()] for block in blocks]


def entities(sentences: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """Return (name in lower case, words joined by blanks; label)."""
    names: list[tuple[list[str], str]] = []
    for sentence in sentences:
        for word, tag in sentence:
            if tag.startswith("B-"):
                names.append(([word.lower()], tag[2:]))
            elif tag.startswith("I-"):
                names[-1][0].append(word.lower())
    return [(" ".join(words), label) for words, label in names]


def test_same_seed_gives_the_same_bytes_and_another_seed_others(files, tmp_path):
    again = write_quickstart(tmp_path / "new" / "folder")
    other = write_quickstart(tmp_path / "other", seed=2)
    for name in ("labeled", "test", "corpus"):
        assert getattr(again, name).read_bytes() == getattr(files, name).read_bytes()
        assert getattr(other, name).read_bytes() != getattr(files, name).read_bytes()


def test_only_files_with_other_bytes_are_written(tmp_path):
    files = write_quickstart(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (files.labeled, files.corpus)}
    content = files.test.read_bytes()
    files.test.write_bytes(content[:1000])
    write_quickstart(tmp_path)
    assert files.test.read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.parquet", "test.conll", "train.conll"]


def test_a_file_in_the_place_of_the_folder_is_an_input_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match=r"taken.*name another folder"):
        write_quickstart(tmp_path / "taken")


def test_counts_and_columns(files):
    assert len(read_conll(files.labeled)) == 300
    assert len(read_conll(files.test)) == 600
    table = pq.read_table(files.corpus)
    assert [(field.name, str(field.type)) for field in table.schema] == [("id", "string"), ("text", "string")]
    assert len(set(table["id"].to_pylist())) == table.num_rows == 1000


def test_tags_are_legal_iob2_with_four_labels(files):
    for path in (files.labeled, files.test):
        sentences = read_conll(path)
        for sentence in sentences:
            previous = "O"
            for _, tag in sentence:
                assert not tag.startswith("I-") or previous[2:] == tag[2:], sentence
                previous = tag
        counts = collections.Counter(label for _, label in entities(sentences))
        assert set(counts) == {"PER", "ORG", "LOC", "MISC"}
        assert min(counts.values()) >= 0.1 * counts.total()
        assert sum(all(tag == "O" for _, tag in sentence) for sentence in sentences) >= 0.03 * len(sentences)


def test_patterns_are_many_and_name_known_kinds_and_labels():
    patterns = [line.strip() for line in PATTERNS.splitlines() if line.strip()]
    assert len(set(patterns)) == len(patterns) >= 80
    known = {*NAMES, *PHRASES, *NUMBERS}
    unlabeled_names = set(NAMES) - set(KIND_LABELS)
    for text in [*patterns, *PHRASES.values()]:
        assert {kind.lower() for kind in SLOT.findall(text)} <= known, text
    for pattern in patterns:
        assert not set(SLOT.findall(pattern)) & unlabeled_names, f"a name without a label: {pattern}"
    for phrases in (alternatives for kind, alternatives in PHRASES.items() if kind not in KIND_LABELS):
        assert not set(SLOT.findall(phrases)) & set(KIND_LABELS), f"a name without a label: {phrases}"
    assert all(len(kinds.split()) > 1 and set(kinds.split()) <= set(NAMES) for kinds in SHARED_NAMES)


def test_offsets_are_those_of_words(files):
    rng = random.Random(3)
    patterns = [line.strip() for line in PATTERNS.splitlines() if line.strip()]
    writer = quickstart._Writer(rng, patterns, deal_tiers(rng), (1, 1, 1))
    for example in (writer.write() for _ in range(3000)):
        words = split_words(example.text)
        for start, end, _ in example.entities:
            assert start in words.starts and end in words.ends, example
        assert all(not regex.search(r"[{}|]", word) for word in words.words), example


def test_many_names_of_the_test_set_occur_nowhere_else(files, documents):
    labeled = {name for name, _ in entities(read_conll(files.labeled))}
    corpus = " ".join(" ".join(split_words(document).words) for document in documents).lower()
    names = [name for name, _ in entities(read_conll(files.test))]
    not_labeled = [name for name in names if name not in labeled]
    nowhere = [name for name in not_labeled if f" {name} " not in corpus]
    assert len(nowhere) >= 0.4 * len(names)
    assert len(not_labeled) - len(nowhere) >= 0.1 * len(names)


def test_single_names_of_the_last_tier_occur_in_the_test_set_alone(files, documents):
    tiers = deal_tiers(random.Random(1))
    training = " ".join([*documents, *(word for s in read_conll(files.labeled) for word, _ in s)]).lower()
    test = {name for name, _ in entities(read_conll(files.test))}
    last = {name.lower() for name in NAMES["surname"].split() if tiers[name] == 2}
    training_words = set(regex.findall(r"[\p{L}']+", training))
    assert len(last & test) >= 20
    assert not last & training_words


def test_shared_names_really_take_two_labels(files):
    labels = collections.defaultdict(set)
    for name, label in entities([*read_conll(files.labeled), *read_conll(files.test)]):
        labels[name].add(label)
    shared = {name.lower() for names in SHARED_NAMES.values() for name in names.split()}
    assert sum(len(labels[name]) >= 2 for name in shared) >= 30


def test_some_patterns_never_occur_in_the_labeled_set(files):
    def fixed_words(path):
        return {word.lower() for s in read_conll(path) for word, tag in s if tag == "O" and word.islower()}

    assert len(fixed_words(files.test) - fixed_words(files.labeled)) >= 100


def test_casing_is_mixed_in_every_part(files, documents):
    parts = [[" ".join(word for word, _ in s) for s in read_conll(path)] for path in (files.labeled, files.test)]
    parts.append([" ".join(s.words) for document in documents for s in split(document)])
    for sentences in parts:
        lower = sum(sentence.islower() for sentence in sentences) / len(sentences)
        upper = sum(sentence.isupper() for sentence in sentences) / len(sentences)
        assert 0.03 < lower < 0.14
        assert 0.02 < upper < 0.14


def test_documents_are_natural_raw_text(documents):
    lengths = collections.Counter(len(split(document)) for document in documents)
    assert all(lengths[n] > 100 for n in range(1, 6))
    assert sum(lengths[n] for n in range(1, 7)) > 0.99 * len(documents)  # an abbreviation in capitals may split
    assert sum("\n" in document for document in documents) > 150
    for document in documents:
        assert not regex.search(r" [,.;:?!%)]| 's|\( |  | \n|\n |\{|\}|\|", document), document
        assert not regex.search(r"\.\.|\b[Aa] [AEIO]", document), document
        assert document == document.strip()
