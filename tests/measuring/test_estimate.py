from __future__ import annotations

import pyarrow as pa
import pytest
from files import put_json, put_lines, put_parquet

from kdner.corpora.plan import plan_corpus, read_shard
from kdner.errors import InputError
from kdner.measuring.estimate import COUNTED_SHARDS, Sample, Sampler, estimate_report, estimate_words, extrapolate
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import ENTITIES

SAMPLES = [
    Sample(documents=10, words=1_000, seconds=10.0, output_bytes=9_000),
    Sample(documents=20, words=3_000, seconds=10.0, output_bytes=31_000),
]


class Echo:
    """An actor that finds one entity in each document."""

    def __call__(self, documents: pa.Table) -> pa.Table:
        entity = {"start": 0, "end": 1, "label": "PER", "text": "x", "score": 0.5}
        rows = [{"id": id_, "entities": [entity], "words": 1} for id_ in documents["id"].to_pylist()]
        return pa.Table.from_pylist(rows, schema=ENTITIES)


def test_words_bytes_hours_and_cost_by_proportion():
    whole = {"shards": 400, "documents": 100_000, "words": 14_400_000, "actors": 4}
    estimate = extrapolate(SAMPLES, **whole, price_per_hour=3.0)
    assert {key: estimate[key] for key in whole} == whole
    assert estimate["bytes_per_word"] == 10 and estimate["output_bytes"] == 144_000_000
    assert (estimate["words_per_second_per_actor"], estimate["words_per_second"]) == (200, 800)
    assert estimate["hours"] == pytest.approx(5) and estimate["cost"] == pytest.approx(15)
    assert estimate["sample"] == {"actors": 2, "documents": 30, "words": 4_000, "seconds": 10.0}
    tenfold = extrapolate(SAMPLES, **{**whole, "shards": 4000, "words": 144_000_000})
    assert tenfold["hours"] == pytest.approx(50) and tenfold["cost"] is None


def test_hours_are_those_of_the_actor_with_most_shards():
    whole = {"documents": 5, "words": 5 * 720_000, "actors": 4}
    assert extrapolate(SAMPLES, shards=5, **whole)["hours"] == pytest.approx(2)
    assert extrapolate(SAMPLES, shards=4, **whole)["hours"] == pytest.approx(1.25)


def test_a_corpus_without_words_is_no_basis():
    nothing = Sample(documents=5, words=0, seconds=0.1, output_bytes=100)
    with pytest.raises(InputError, match=r"no words.*--text-column"):
        extrapolate([nothing], shards=1, documents=5, words=0, actors=1)


def test_the_report_gives_every_figure():
    whole = {"shards": 4_000, "documents": 100_000, "words": 144_000_000, "actors": 4}
    estimate = {**extrapolate(SAMPLES, **whole, price_per_hour=2.5), "cpus_per_actor": 2, "gpus_per_actor": 0.5}
    text = estimate_report(estimate)
    for figure in ("4,000", "100,000", "144,000,000", "1,440.0 MB", "10.00 bytes", "200 an", "800 together", "50.000"):
        assert figure in text
    for figure in ("cores: 2", "GPUs: 0.5", "125.00", "30 documents", "4,000 words", "10.0 s", "on 2 actors"):
        assert figure in text
    assert "--price-per-hour" in estimate_report({**estimate, "cost": None})


def test_words_of_a_small_corpus_are_exact(tmp_path):
    source = put_lines(tmp_path / "a.txt", ["word " * (i % 7) for i in range(COUNTED_SHARDS * 5)])
    corpus = plan_corpus([source], shard_documents=5)
    assert estimate_words(corpus) == sum(i % 7 for i in range(COUNTED_SHARDS * 5))


@pytest.mark.parametrize("seed", range(5))
def test_files_of_long_and_of_short_documents_are_both_reckoned_with(tmp_path, seed):
    keys = {"key": "one that is not text " * 5}
    put_json(tmp_path / "long.jsonl", [{"text": f"{i:04} " * 3_000, **keys} for i in range(100)])
    put_json(tmp_path / "short.jsonl", [{"text": f"{i:04} " * 300, **keys} for i in range(1_900)])
    corpus = plan_corpus([str(tmp_path)], shard_documents=20)
    assert estimate_words(corpus, seed) == pytest.approx(100 * 3_000 + 1_900 * 300, rel=0.05)


@pytest.mark.parametrize("shard_documents", [None, 25])
@pytest.mark.parametrize("seed", range(5))
def test_sentences_before_long_documents_of_one_file_are_both_reckoned_with(tmp_path, seed, shard_documents):
    texts = ["a sentence of five words"] * 5_000 + [f"{i:04} " * 5_000 for i in range(50)]
    source = put_parquet(tmp_path / "a.parquet", {"text": texts})
    corpus = plan_corpus([source], shard_documents=shard_documents)
    assert len(corpus.shards) > COUNTED_SHARDS
    assert estimate_words(corpus, seed) == pytest.approx(5_000 * 5 + 50 * 5_000, rel=0.1)


def test_the_sample_is_of_the_words_asked_for_and_grows_to_all_there_are(tmp_path):
    source = put_lines(tmp_path / "a.txt", [f"word{i} " * 10 for i in range(100)])
    corpus = plan_corpus([source], shard_documents=8)
    sampler = Sampler(corpus, Echo, {}, seed=1)
    sample = sampler.sample(205)
    assert (sample.documents, sample.words) == (21, 210) and sample.seconds > 0
    assert Sampler(corpus, Echo, {}, seed=1).sample(205).output_bytes == sample.output_bytes
    assert sampler.warm_up() > 1_000
    assert sampler.sample(5_000).words == 1_000


def test_the_first_documents_of_the_sample_are_not_those_it_warmed_up_on(tmp_path):
    source = put_lines(tmp_path / "a.txt", [f"word{i} " * 600 for i in range(100)])
    corpus = plan_corpus([source], shard_documents=1)
    seen = []

    class Remember(Echo):
        def __call__(self, documents):
            seen.append(documents["id"].to_pylist())
            return super().__call__(documents)

    sampler = Sampler(corpus, Remember, {}, seed=1)
    sampler.warm_up()
    first = seen[0]
    seen.clear()
    sampler.sample(10)
    assert seen[0] != first


def test_output_bytes_are_those_of_the_files(tmp_path):
    source = put_lines(tmp_path / "a.txt", [f"word{i} " * 10 for i in range(100)])
    corpus = plan_corpus([source], shard_documents=25)
    run = RunDirectory.open(str(tmp_path / "run"), {})
    for shard in corpus.shards:
        run.write_table(shard.name, Echo()(read_shard(corpus, shard)), ENTITIES)
    written = sum((run.local_path / shard.name).stat().st_size for shard in corpus.shards)
    assert Sampler(corpus, Echo, {}, seed=0).sample(10_000).output_bytes == pytest.approx(written, rel=0.01)
