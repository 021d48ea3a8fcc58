from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import kdner.corpora.changes
from kdner.errors import InputError
from kdner.flags import Actors
from kdner.jobs import precompute_logits, tag_corpus
from kdner.jobs.precompute_logits import PrecomputeLogits
from kdner.jobs.tag_corpus import TagCorpus
from kdner.runs.run_directory import RunDirectory

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def news(tmp_path_factory, toy) -> str:
    texts = [f"{toy[k % len(toy)].text}\n{toy[(7 * k) % len(toy)].text}" for k in range(400)]
    path = tmp_path_factory.mktemp("corpus") / "news.parquet"
    pq.write_table(pa.table({"id": [f"d{i}" for i in range(len(texts))], "text": texts}), path)
    return str(path)


@pytest.fixture(scope="module")
def student_folder(tmp_path_factory, make_student) -> str:
    folder = tmp_path_factory.mktemp("student")
    make_student().save(folder)
    return str(folder)


@pytest.fixture
def jobs(teacher_folder, student_folder, news, tmp_path):
    """Functions that do each job on the same corpus, with more options, and their scripts' flags."""
    shared = {"corpus": (news,), "shard_documents": 50, "out": str(tmp_path / "out"), "actors": Actors(count=1)}
    return {
        "precompute_logits": lambda **more: precompute_logits.precompute_logits(
            PrecomputeLogits(**{**shared, "teacher": (teacher_folder,), **more})
        ),
        "tag_corpus": lambda **more: tag_corpus.tag_corpus(TagCorpus(**{**shared, "student": student_folder, **more})),
    }


@pytest.mark.parametrize("name", [pytest.param("precompute_logits", marks=pytest.mark.benchmarks), "tag_corpus"])
def test_the_estimate_is_what_the_job_then_does(cluster, jobs, name, tmp_path, monkeypatch):
    estimate = jobs[name](estimate=True, price_per_hour=3.5)
    assert not list(tmp_path.iterdir())
    done = jobs[name]()
    files = RunDirectory.finished_at(str(tmp_path / "out")).files
    assert estimate["shards"] == len(files) == 8
    assert (estimate["documents"], estimate["words"]) == (done["documents"], done["words"])
    written = sum((tmp_path / "out" / file).stat().st_size for file in files)
    assert written / 1.5 < estimate["output_bytes"] < written * 1.5
    assert estimate["hours"] > 0 and estimate["cost"] == estimate["hours"] * 3.5
    assert estimate["words_per_second"] == estimate["actors"] * estimate["words_per_second_per_actor"] > 0
    assert estimate["cpus_per_actor"] == 1 and estimate["sample"]["seconds"] > 0
    monkeypatch.setattr(kdner.corpora.changes, "plan_listing", None)  # the plan that the job has kept is used
    assert jobs[name](estimate=True)["words"] == done["words"]


def test_the_job_prints_the_estimate_and_no_more(cluster, run_job, student_folder, news, tmp_path, capsys):
    flags = ("--corpus", news, "--student", student_folder, "--out", tmp_path / "out", "--actors.count", 1)
    run_job(TagCorpus, tag_corpus.main, *flags, "--estimate", "--price-per-hour", 2)
    printed = capsys.readouterr().out
    for line in ("shards", "documents     400", "words", "output", "actors        1", "hours", "cost", "derived from"):
        assert line in printed
    assert not (tmp_path / "out").exists()


def test_an_actor_that_no_node_can_hold(cluster, jobs):
    with pytest.raises(InputError, match=r"1000 CPU cores and 0 GPUs.*--actors\.cpus"):
        jobs["tag_corpus"](estimate=True, actors=Actors(cpus=1000))


def test_a_price_without_an_estimate_is_refused(refused, student_folder, news, tmp_path):
    flags = ("--corpus", news, "--student", student_folder, "--out", tmp_path / "out", "--price-per-hour", 2)
    message = refused(TagCorpus, tag_corpus.main, *flags)
    assert "--price-per-hour" in message and "--estimate" in message
