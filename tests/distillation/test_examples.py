from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from kdner.distillation.examples import Examples, TransferSet, labeled_examples
from kdner.errors import InputError
from kdner.labeled.sentence import LabeledSentence
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import LOGITS
from kdner.student.vocabulary import Vocabulary
from kdner.student.word_features import WordFeatures
from kdner.text.words import SPLITTER_VERSION, splitter_fingerprint

VOCABULARY = Vocabulary(tuple(f"w{chr(97 + i)}" for i in range(20)), tuple("wabcdefghijklmnopqrst"))
"""Word i is row i + 2, so that a batch can be read back."""


def examples_of(lengths, labels=3, seed=0):
    """Examples whose word i of all has tag i % 3 and the logits i, i + 0.25, i + 0.5."""
    words = sum(lengths)
    index = np.random.default_rng(seed).integers(0, 20, words)
    logits = (np.arange(words)[:, None] + np.arange(labels) / 4).astype(np.float16)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return Examples(WordFeatures.of(VOCABULARY, VOCABULARY.words), index, starts, np.arange(words) % 3, logits)


def sentences_in(batches):
    """Read batches back: (rows of the word table, tags, logits) of each sentence."""
    found = []
    for batch in batches:
        assert batch.lengths.sum() == len(batch.index) == len(batch.tags)
        assert batch.index.unique().tolist() == list(range(len(batch.features)))
        words = batch.features.words[batch.index]
        for last, n in zip(np.cumsum(batch.lengths), batch.lengths, strict=True):
            own = slice(last - n, last)
            logits = None if batch.logits is None else batch.logits[own]
            found.append((words[own].tolist(), batch.tags[own].tolist(), logits))
    return found


LENGTHS = [3, 1, 7, 2, 9, 4, 4, 1, 30, 5] * 5


@pytest.mark.parametrize("words", [1, 12, 50, 10_000])
def test_batches_hold_every_sentence_once_with_its_own_tags_and_logits(words):
    examples = examples_of(LENGTHS)
    batches = list(examples.batches(words, np.random.default_rng(1), examples.share(0, 1)))
    seen = []
    for rows, tags, logits in sentences_in(batches):
        first = int(logits[0, 0])
        seen.append(first)
        place = np.arange(first, first + len(rows))
        assert rows == (examples.index[place] + 2).tolist()
        assert tags == (place % 3).tolist()
        np.testing.assert_array_equal(logits.numpy(), (place[:, None] + np.arange(3) / 4).astype(np.float32))
    assert sorted(seen) == examples.starts[:-1].tolist()


def test_batches_are_of_about_the_words_asked_for_and_of_alike_lengths():
    examples = examples_of(LENGTHS * 10)
    batches = list(examples.batches(100, np.random.default_rng(1), examples.share(0, 1)))
    sizes = [int(batch.lengths.sum()) for batch in batches]
    assert np.mean(sizes) == pytest.approx(100, rel=0.1) and max(sizes) < 200
    assert sum(sizes) / sum(batch.lengths.max() * len(batch.lengths) for batch in batches) > 0.85


def test_batches_come_in_another_order_with_another_seed_only():
    examples = examples_of(LENGTHS)
    orders = [
        [batch.tags.tolist() for batch in examples.batches(20, np.random.default_rng(seed), examples.share(0, 1))]
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_shares_of_workers_are_disjoint_and_complete(workers):
    examples = examples_of(LENGTHS)
    shares = [examples.share(rank, workers).tolist() for rank in range(workers)]
    assert sorted(s for share in shares for s in share) == list(range(len(LENGTHS)))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_more_workers_than_sentences_leave_no_worker_idle():
    examples = examples_of([4, 2])
    for rank in range(5):
        (batch,) = examples.batches(100, np.random.default_rng(1), examples.share(rank, 5))
        assert 1 <= len(batch.lengths) <= 2


def test_a_labeled_set_becomes_examples_with_gold_tags(toy, labels):
    vocabulary = Vocabulary.build(Counter(w for s in toy for w in s.words()[0]), max_words=1000)
    silent = LabeledSentence.of_gold_words("silent", 99, ["\u200b"], ["O"])
    examples = labeled_examples([toy[0], silent, *toy[1:]], vocabulary, labels)
    assert examples.words == sum(len(sentence.words()[0]) for sentence in toy)
    found = sentences_in(examples.batches(64, np.random.default_rng(1), examples.share(0, 1)))
    assert all(logits is None for _, _, logits in found)
    expected = [
        (WordFeatures.of(vocabulary, words).words.tolist(), [labels.index(tag) for tag in tags])
        for words, tags in (sentence.words() for sentence in toy)
    ]
    assert sorted((rows, tags) for rows, tags, _ in found) == sorted(expected)


def test_the_transfer_set_is_what_the_teacher_said(logits_folder, toy, teacher):
    transfer = TransferSet([logits_folder])
    assert transfer.labels == teacher.labels
    counts = Counter(word for sentence in toy for word in sentence.words()[0])
    assert transfer.counts() == counts and transfer.words == counts.total()
    vocabulary = Vocabulary.build(counts, max_words=1000)
    (examples,) = transfer.examples(vocabulary, np.random.default_rng(1))
    found = sentences_in(examples.batches(50, np.random.default_rng(1), examples.share(0, 1)))
    assert len(found) == len(toy)
    expected = {}
    for sentence in toy:
        words = sentence.words()[0]
        expected[tuple(WordFeatures.of(vocabulary, words).words.tolist())] = teacher.score([words])[0]
    for rows, tags, logits in found:
        np.testing.assert_allclose(logits.numpy(), expected[tuple(rows)], rtol=2e-3, atol=2e-3)
        assert tags == logits.argmax(dim=1).tolist()
    assert {tuple(rows) for rows, _, _ in found} == set(expected)


def test_parts_of_a_large_set_hold_every_word_once(logits_folder, monkeypatch):
    monkeypatch.setattr("kdner.distillation.examples.BUFFER_WORDS", 10)
    transfer = TransferSet([logits_folder])
    parts = list(transfer.examples(VOCABULARY, np.random.default_rng(1)))
    assert len(parts) == 2 and sum(part.words for part in parts) == transfer.words


def test_a_batch_can_be_moved():
    examples = examples_of([2, 5])
    (batch,) = examples.batches(100, np.random.default_rng(1), examples.share(0, 1))
    moved = batch.to(torch.device("cpu"))
    assert torch.equal(moved.index, batch.index) and torch.equal(moved.logits, batch.logits)


def test_a_run_without_logits_is_refused(tmp_path):
    run = RunDirectory.open(str(tmp_path), {"job": "test"}, {"files": ["a.parquet"]})
    run.write_table("a.parquet", LOGITS.empty_table(), LOGITS)
    with pytest.raises(InputError, match="unfinished"):
        TransferSet([str(tmp_path)])
    run.finish({})
    with pytest.raises(InputError, match="holds no logits"):
        TransferSet([str(tmp_path)])


def test_a_set_of_documents_without_text_holds_no_words(tmp_path, labels):
    run = RunDirectory.open(str(tmp_path), {"job": "test"}, {"files": ["a.parquet"], "labels": labels, "teachers": 1})
    row = {**dict.fromkeys(LOGITS.names), "id": "a", "error": "no text"}
    run.write_table("a.parquet", LOGITS.empty_table().from_pylist([row], schema=LOGITS), LOGITS)
    run.finish({})
    transfer = TransferSet([str(tmp_path)])
    assert transfer.words == 0 and not transfer.counts()
    assert list(transfer.examples(VOCABULARY, np.random.default_rng(1))) == []


def run_of(path, labels, rows, teachers=1, corpus="one", **splitting):
    """Write a finished run of logits: id, words, [W, T, L] or an error, two documents in a shard."""
    documents = [
        {
            "id": id_,
            "words": None if logits is None else words,
            "sentence_words": None if logits is None else [len(words)],
            "logits": None if logits is None else np.ravel(logits).astype(np.float16),
            "error": "it failed" if logits is None else None,
        }
        for id_, words, logits in rows
    ]
    shards = [documents[i : i + 2] for i in range(0, len(documents), 2)]
    names = [f"part-{i:05d}.parquet" for i in range(len(shards))]
    splitting = {**splitter_fingerprint("en"), **splitting}
    fingerprint = {"corpus": {"files": corpus, "shard_documents": 2}, **splitting, "teacher 0": str(path)}
    run = RunDirectory.open(str(path), fingerprint, {"files": names, "labels": labels, "teachers": teachers})
    for name, shard in zip(names, shards, strict=True):
        run.write_table(name, LOGITS.empty_table().from_pylist(shard, schema=LOGITS), LOGITS)
    run.finish({})
    return str(path)


def learned(transfer):
    """Read the logits of each sentence, by its words."""
    (examples,) = transfer.examples(VOCABULARY, np.random.default_rng(1))
    found = sentences_in(examples.batches(100, np.random.default_rng(1), examples.share(0, 1)))
    return {tuple(VOCABULARY.words[row - 2] for row in rows): logits.numpy() for rows, _, logits in found}


TAGS = ["O", "B-X", "I-X"]
WORDS = [["wa"], ["wb", "wc"], ["wd", "we", "wf"]]


def test_pseudo_labels_are_the_best_that_iob2_allows(tmp_path):
    logits = np.array([[[1.0, 0.0, 2.0]], [[3.0, 0.0, 2.9]], [[0.0, 0.5, 1.0]]])  # word by word: I-X, O, I-X
    transfer = TransferSet([run_of(tmp_path, TAGS, [("0", WORDS[2], logits), ("1", WORDS[0], logits[2:])])])
    (examples,) = transfer.examples(VOCABULARY, np.random.default_rng(1))
    tags = {
        len(rows): found for rows, found, _ in sentences_in(examples.batches(9, np.random.default_rng(1), np.arange(2)))
    }
    assert tags == {3: [0, 0, 1], 1: [1]}


@pytest.fixture
def three_teachers(tmp_path):
    """Two runs, one of them of two teachers; they know the logits that they gave, [W, 3] for each document."""
    rng = np.random.default_rng(3)
    logits = [[rng.normal(0, 3, (len(words), 3)).astype(np.float16) for words in WORDS] for _ in range(3)]
    one = run_of(tmp_path / "one", TAGS, [(str(i), words, logits[0][i]) for i, words in enumerate(WORDS)])
    pairs = [(str(i), words, np.stack([logits[1][i], logits[2][i]], axis=1)) for i, words in enumerate(WORDS)]
    return one, run_of(tmp_path / "two", TAGS, pairs, teachers=2), logits


@pytest.mark.parametrize("weights", [(), (2.0, 1.0, 1.0), (0.0, 0.0, 1.0)])
def test_several_teachers_join_row_by_row_into_their_weighted_mean(three_teachers, weights):
    one, two, logits = three_teachers
    found = learned(TransferSet([one, two], weights))
    shares = np.array(weights or [1, 1, 1], np.float64)
    for i, words in enumerate(WORDS):
        expected = sum(s * own[i].astype(np.float64) for s, own in zip(shares / shares.sum(), logits, strict=True))
        np.testing.assert_allclose(found[tuple(words)], expected, atol=4e-3)
    assert len(found) == len(WORDS) and TransferSet([one, two]).words == 6


def test_a_document_counts_only_where_every_teacher_could_read_it(three_teachers, tmp_path):
    one, _, logits = three_teachers
    rows = [("0", WORDS[0], logits[1][0]), ("1", WORDS[1], None), ("2", WORDS[2], logits[1][2])]
    transfer = TransferSet([one, run_of(tmp_path / "failed", TAGS, rows)])
    assert set(learned(transfer)) == {tuple(WORDS[0]), tuple(WORDS[2])}
    assert transfer.words == 4 and transfer.counts() == Counter(WORDS[0] + WORDS[2])


def test_teachers_that_do_not_fit_together_are_refused_with_the_difference(three_teachers, tmp_path):
    one, two, _ = three_teachers
    other = run_of(tmp_path / "labels", ["O", "B-X", "B-Y"], [("0", WORDS[0], np.zeros((1, 3)))])
    with pytest.raises(InputError, match=r"only .*one has I-X; only .*labels has B-Y"):
        TransferSet([one, other])
    swapped = run_of(tmp_path / "order", ["O", "I-X", "B-X"], [("0", WORDS[0], np.zeros((1, 3)))])
    with pytest.raises(InputError, match="same labels in another order"):
        TransferSet([one, swapped])
    elsewhere = run_of(tmp_path / "corpus", TAGS, [("0", WORDS[0], np.zeros((1, 3)))], corpus="another")
    with pytest.raises(InputError, match=r'corpus.files: there "one", now "another"'):
        TransferSet([one, elsewhere])
    wrapped = run_of(tmp_path / "wrapped", TAGS, [("0", WORDS[0], np.zeros((1, 3)))], hard_wrapped=True)
    with pytest.raises(InputError, match=r"hard_wrapped: there nothing, now true"):
        TransferSet([one, wrapped])
    for weights in ((1.0, 1.0), (1.0, -1.0, 1.0), (0.0, 0.0, 0.0)):
        with pytest.raises(InputError, match=r"--logits-weights .* each of the 3 teachers"):
            TransferSet([one, two], weights)


def test_logits_of_another_splitter_are_refused_with_the_remedy(tmp_path):
    old = run_of(tmp_path / "old", TAGS, [("0", WORDS[0], np.zeros((1, 3)))], splitter=SPLITTER_VERSION - 1)
    with pytest.raises(
        InputError, match=rf"old: its words are those of splitter {SPLITTER_VERSION - 1}.*Score the corpus"
    ):
        TransferSet([old])


def test_a_transfer_set_knows_its_language(tmp_path):
    rows = [("0", WORDS[0], np.zeros((1, 3)))]
    assert TransferSet([run_of(tmp_path / "de", TAGS, rows, language="de")]).language == "de"
    assert TransferSet([run_of(tmp_path / "en", TAGS, rows)]).language == "en"
