"""How texts are split, from the flags of the jobs to what they write."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdner.errors import InputError
from kdner.flags import Actors
from kdner.jobs.distill_student import DistillStudent, distill_student
from kdner.jobs.precompute_logits import PrecomputeLogits, precompute_logits
from kdner.jobs.tag_corpus import TagCorpus, tag_corpus
from kdner.runs.run_directory import RunDirectory
from kdner.text.words import SPLITTER_VERSION

pytestmark = [pytest.mark.ray, pytest.mark.cluster]

TEXT = "Am 3. Oktober flog Anna\nLee.\n\nTom blieb."


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.parquet"
    pq.write_table(pa.table({"id": ["a"], "text": [TEXT]}), path)
    return {"corpus": (str(path),), "actors": Actors(count=1)}


def splitting_of(run):
    fingerprint = run.manifest()["fingerprint"]
    return {key: fingerprint[key] for key in ("splitter", "language", "hard_wrapped") if key in fingerprint}


def test_logits_are_of_the_language_and_the_lines_that_flags_name(
    cluster, corpus, teacher_folder, train_file, tmp_path
):
    lengths = {}
    for name, flags in {
        "en": {},
        "de": {"language": "de"},
        "wrapped": {"language": "de", "hard_wrapped": True},
    }.items():
        precompute_logits(PrecomputeLogits(**corpus, **flags, teacher=(teacher_folder,), out=str(tmp_path / name)))
        run = RunDirectory.finished_at(str(tmp_path / name))
        assert splitting_of(run) == {"splitter": SPLITTER_VERSION, "language": "en", **flags}
        (lengths[name],) = next(iter(run.tables(["sentence_words"])))["sentence_words"].to_pylist()
    assert lengths == {"en": [3, 3, 2, 3], "de": [6, 2, 3], "wrapped": [8, 3]}
    with pytest.raises(InputError, match=r"--language en: the texts of .*de were split as de\. Give --language de"):
        distill_student(
            DistillStudent(labeled=train_file, logits=(str(tmp_path / "de"),), out=str(tmp_path / "student"))
        )


def test_a_corpus_is_tagged_in_the_language_of_the_student(cluster, corpus, make_student, tmp_path):
    student = make_student(seed=3)
    student.language = "de"
    (tmp_path / "student").mkdir()
    student.save(tmp_path / "student")
    for name, flags in {"lines": {}, "wrapped": {"hard_wrapped": True}}.items():
        tag_corpus(TagCorpus(**corpus, **flags, student=str(tmp_path / "student"), out=str(tmp_path / name)))
        run = RunDirectory.finished_at(str(tmp_path / name))
        assert splitting_of(run) == {"splitter": SPLITTER_VERSION, "language": "de", **flags}
        (found,) = next(iter(run.tables(["entities"])))["entities"].to_pylist()
        expected = student.tag(TEXT, **flags)
        assert [(e["start"], e["end"], e["label"]) for e in found] == [(e.start, e.end, e.label) for e in expected]
