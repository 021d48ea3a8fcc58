from __future__ import annotations

import os
from pathlib import Path

import pytest
import tyro

from kdner.corpora.plan import corpus_plan
from kdner.errors import InputError
from kdner.flags import Actors, Corpus, Estimation, LabeledSet, Layout
from kdner.labeled.sets import drawn_fingerprint, read_drawn, source_fingerprint


@pytest.fixture
def source(write):
    return write("train.conll", "\n\n".join(f"Anna{k}\tB-PER\nslept\tO" for k in range(9)) + "\n\nRome\tB-LOC\n")


def test_a_draw_is_repeated_and_loses_nothing(source):
    drawn, rest, labels = read_drawn(LabeledSet(labeled=source, labeled_size=4, seed=3))
    again, _, _ = read_drawn(LabeledSet(labeled=source, labeled_size=4, seed=3))
    other, _, _ = read_drawn(LabeledSet(labeled=source, labeled_size=4, seed=4))
    assert drawn == again != other
    assert len(drawn) == 4 and {s.id for s in drawn}.isdisjoint(s.id for s in rest) and len(drawn + rest) == 10
    assert labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]  # of the whole set, whatever was drawn


def test_all_of_it_by_default(source):
    drawn, rest, _ = read_drawn(LabeledSet(labeled=source))
    assert len(drawn) == 10 and rest == []
    with pytest.raises(InputError, match="--labeled-size 0"):
        read_drawn(LabeledSet(labeled=source, labeled_size=0))


def test_the_fingerprint_follows_what_the_file_holds_and_the_draw(source, tmp_path):
    first = drawn_fingerprint(LabeledSet(labeled=source, seed=1))
    assert first != drawn_fingerprint(LabeledSet(labeled=source, seed=2))
    before = source_fingerprint(source)
    os.utime(source, (0, 0))
    copy = tmp_path / "elsewhere" / Path(source).name
    copy.parent.mkdir()
    copy.write_bytes(Path(source).read_bytes())
    assert source_fingerprint(source) == source_fingerprint(str(copy)) == before
    with Path(source).open("a", encoding="utf-8") as file:
        file.write("\nTom\tB-PER\n")
    assert source_fingerprint(source) != before
    assert source_fingerprint("hf:conll:train") == {"source": "hf:conll:train"}


def test_the_layout_is_in_the_fingerprint_only_where_it_is_no_default(source):
    plain = drawn_fingerprint(LabeledSet(labeled=source))
    assert not plain.keys() & {"token_column", "tag_column", "offsets", "encoding"}
    assert drawn_fingerprint(LabeledSet(labeled=source, tag_column=2)) == {**plain, "tag_column": 2}
    assert source_fingerprint(source, Layout(encoding="cp1252", offsets="utf-16")) == {
        **source_fingerprint(source), "encoding": "cp1252", "offsets": "utf-16",
    }  # fmt: skip


def test_a_corpus_is_planned_with_its_options(write, tmp_path):
    source = write("a.jsonl", "".join(f'{{"key": {k}, "body": "text {k}"}}\n' for k in range(5)))
    config = Corpus(corpus=(source,), text_column="body", id_column="key", shard_documents=2)
    plan = corpus_plan(config, str(tmp_path / "out"))
    assert [shard.documents for shard in plan.shards] == [2, 2, 1]


@pytest.mark.parametrize("flag", ["--estimate", "--plan"])
def test_an_estimate_is_asked_for_by_its_name_or_by_its_old_one(flag):
    assert tyro.cli(Estimation, args=[flag, "--price-per-hour", "2"]) == Estimation(estimate=True, price_per_hour=2)
    with pytest.raises(InputError, match=r"--price-per-hour.*--estimate"):
        Estimation(price_per_hour=2)


@pytest.mark.parametrize(
    ("flag", "value"), [("count", 0), ("count", -1), ("cpus", 0), ("gpus", -0.5), ("gpus", 1.5), ("gpus", float("nan"))]
)
def test_impossible_actors_name_the_flag(flag, value):
    with pytest.raises(InputError, match=f"--actors.{flag} {value:g}: must be"):
        Actors(**{flag: value})


@pytest.mark.parametrize("gpus", [None, 0, 0.25, 1, 2.0])
def test_actors_may_share_a_gpu_or_have_several(gpus):
    assert Actors(gpus=gpus).gpus == gpus
