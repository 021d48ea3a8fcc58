from __future__ import annotations

from files import put_json, put_lines

from kdner.corpora.draws import draw_documents
from kdner.corpora.plan import plan_corpus


def test_draw_documents_reaches_its_budget_and_repeats(tmp_path):
    source = put_json(tmp_path / "a.jsonl", [{"text": None if i % 10 == 3 else f"word {i}"} for i in range(100)])
    corpus = plan_corpus([source], shard_documents=7)

    def drawn(words, seed):
        return [row for table in draw_documents(corpus, words, seed) for row in table.to_pylist()]

    chosen = drawn(31, 1)
    assert sum(len((row["text"] or "").split()) for row in chosen) == 32
    assert chosen == drawn(31, 1) != drawn(31, 2)
    assert chosen[-1]["text"] is not None
    assert len({row["id"] for row in chosen}) == len(chosen)
    assert drawn(200, 1)[:16] == chosen[:16]
    assert len(drawn(10_000, 1)) == 100
    assert [row["id"] for row in drawn(0, 1)] == [f"a.jsonl:{i}" for i in range(100)]


def test_a_draw_from_a_corpus_of_one_shard_depends_on_the_seed(tmp_path):
    corpus = plan_corpus([put_lines(tmp_path / "a.txt", [f"word{i}" for i in range(100)])])
    assert len(corpus.shards) == 1

    def drawn(seed):
        return {text for table in draw_documents(corpus, 10, seed) for text in table["text"].to_pylist()}

    assert drawn(1) == drawn(1) and len(drawn(1)) == 10
    assert len(set.union(*map(drawn, range(5)))) > 25
