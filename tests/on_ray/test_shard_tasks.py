from __future__ import annotations

import gzip
import pickle
from itertools import chain

import numpy as np
from files import put_lines, put_parquet

from kdner.corpora.plan import plan_corpus
from kdner.on_ray import shard_tasks
from kdner.on_ray.shard_tasks import heaviest_first, pickled, tasks_of


def test_heavy_shards_are_begun_first_and_alike_ones_in_their_order(tmp_path):
    sizes = [100, 90, 110, 5_000, 120, 310, 10, 450, 6_000, 100, 330, 100]
    path = tmp_path / "corpus.txt"
    path.write_text("".join("x" * (size - 1) + "\n" for size in sizes))
    shards = plan_corpus([str(path)], shard_documents=1).shards
    assert [shard.text_bytes for shard in shards] == sizes
    assert heaviest_first(shards.text_bytes) == [3, 0, 8, 1, 5, 2, 7, 4, 10, 6, 9, 11]
    assert heaviest_first(sizes[:3]) == [0, 1, 2] and heaviest_first([]) == []


def numbers(corpus, pending, actors):
    return [group.tolist() for group in tasks_of(corpus.shards, np.array(pending), actors)]


def test_a_task_is_a_shard_or_some_of_very_many_and_brings_all_that_an_actor_needs(tmp_path, monkeypatch):
    corpus = plan_corpus([put_lines(tmp_path / "a.txt", ["some words"] * 20)], shard_documents=2)
    assert numbers(corpus, range(10), 4) == [[k] for k in range(10)]
    monkeypatch.setattr(shard_tasks, "MAX_TASKS", 4)
    assert numbers(corpus, [0, 1, 3, 4, 5, 6, 8, 9], 4) == [[0, 1], [3, 4], [5, 6], [8, 9]]
    assert tasks_of(corpus.shards, np.array([], int), 4) == []
    assert list(pickle.loads(pickled(corpus.shards, np.array([3, 4])))) == [corpus.shards[3], corpus.shards[4]]


def test_a_packed_file_is_read_by_few_actors_but_none_is_without_work(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt.gz").write_bytes(gzip.compress(b"some words\n" * 16))
    put_lines(tmp_path / "c.txt", ["some words"] * 6)
    corpus = plan_corpus([f"{tmp_path}/*"], shard_documents=2)
    a, b = [*range(8)], [*range(8, 16)]
    assert numbers(corpus, range(19), 1) == [a, [16], b, [17], [18]]
    assert numbers(corpus, range(16), 4) == [a[:2], a[2:4], a[4:6], a[6:], b[:2], b[2:4], b[4:6], b[6:]]
    assert numbers(corpus, range(16), 100) == [[k] for k in range(16)]


def test_shards_of_a_row_group_go_together_in_ever_smaller_tasks(tmp_path, monkeypatch):
    for name in ("a.parquet", "b.parquet"):
        put_parquet(tmp_path / name, {"text": ["some words"] * 96}, row_group_size=48)
    corpus = plan_corpus([f"{tmp_path}/*.parquet"], shard_documents=2)
    entries, in_parquet = corpus.shards.entries
    assert in_parquet.all() and np.unique(entries, axis=0).tolist() == [[0, 0], [0, 48], [1, 0], [1, 48]]
    groups = numbers(corpus, range(96), 2)
    assert [*chain(*groups)] == list(range(96)) and list(map(len, groups))[:4] == [12, 10, 2, 9]
    assert list(map(len, groups))[-8:] == [1] * 8
    assert list(map(len, numbers(corpus, range(4, 96), 1)))[:4] == [16, 4, 16, 8]
    assert numbers(corpus, range(96), 100) == [[k] for k in range(96)]
    assert len(tasks_of(corpus.shards, np.arange(96), 1, of_a_row_group=1)) == 96
    monkeypatch.setattr(shard_tasks, "MAX_TASKS", 2)
    assert list(map(len, numbers(corpus, range(96), 100))) == [48, 48]


def test_a_heavy_shard_of_a_row_group_is_begun_first_but_no_group_for_its_size(tmp_path):
    texts = ["some words"] * 90 + ["many words " * 900] + ["some words"] * 5
    source = put_parquet(tmp_path / "a.parquet", {"text": texts}, row_group_size=48)
    groups = numbers(plan_corpus([source], shard_documents=1), range(96), 1)
    assert 90 in groups[0] and groups[1:3] == [list(range(16)), list(range(16, 32))]
