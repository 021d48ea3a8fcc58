"""Teacher and student on a slice of real data: tests/jobs/test_real_data.py does the same through the main job."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kdner.corpora.plan import plan_corpus
from kdner.distillation.recipe import Distillation
from kdner.progress import Progress
from kdner.student.config import StudentConfig
from kdner.student.tag_documents import TagDocuments
from kdner.study.specs import Study
from kdner.study.trial import Trial
from kdner.teacher.fine_tuning import FineTuning

pytestmark = [pytest.mark.data, pytest.mark.cluster]


def first_sentences(source: Path, count: int) -> str:
    return "\n\n".join(source.read_text("utf-8").split("\n\n")[:count]) + "\n"


def test_teacher_and_student_on_a_slice_of_conll_2003(data_folder, tmp_path, write):
    news = pq.read_table(data_folder / "unlabeled" / "reuters_c50.parquet").slice(0, 120)
    pq.write_table(news, tmp_path / "news.parquet")
    study = Study(
        labeled=write("train.conll", first_sentences(data_folder / "conll2003" / "eng.train", 900)),
        test=write("test.conll", first_sentences(data_folder / "conll2003" / "eng.testb", 400)),
        corpus=plan_corpus([str(tmp_path / "news.parquet")], shard_documents=20),
        transfer_words=16_000,
        teachers=("minilm",),
        students=("both", "labeled"),
        fine_tuning=FineTuning(learned=1.0, epochs=10, min_steps=1),
        student=StudentConfig(),
        distillation=Distillation(min_steps=300, learning_rate=1e-2),  # a fifth of the default's steps, for time
        development_share=0.0,
    )
    result = Trial(study, 100, 1, tmp_path / "trial", Progress).run()
    student = result["students"]["both"]
    assert result["teachers"]["minilm"]["f1"] > 0.4
    assert student["f1"] > result["students"]["labeled"]["f1"] and student["parameters"] <= 3_000_000

    texts = news["text"].to_pylist()
    rows = TagDocuments(str(tmp_path / "trial" / "student-both"))(news.select(["id", "text"])).to_pylist()
    assert [row["id"] for row in rows] == news["id"].to_pylist() and not any(row["error"] for row in rows)
    entities = [(text, entity) for text, row in zip(texts, rows, strict=True) for entity in row["entities"]]
    assert len(entities) > 500
    assert all(text[entity["start"] : entity["end"]] == entity["text"] for text, entity in entities)
