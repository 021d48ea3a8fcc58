from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kdner.distillation.recipe import Distillation
from kdner.jobs.pipeline import Pipeline, pipeline
from kdner.runs.run_directory import RunDirectory

pytestmark = [pytest.mark.ray, pytest.mark.data, pytest.mark.cluster]


def first_sentences(source: Path, count: int) -> str:
    return "\n\n".join(source.read_text("utf-8").split("\n\n")[:count]) + "\n"


def test_the_pipeline_on_a_slice_of_conll_2003(cluster, data_folder, tmp_path, write):
    corpus = tmp_path / "news.parquet"
    news = pq.read_table(data_folder / "unlabeled" / "reuters_c50.parquet").slice(0, 120)
    pq.write_table(news, corpus)
    config = Pipeline(
        labeled=write("train.conll", first_sentences(data_folder / "conll2003" / "eng.train", 900)),
        labeled_size=150,
        test=write("test.conll", first_sentences(data_folder / "conll2003" / "eng.testb", 400)),
        corpus=(str(corpus),),
        transfer_words=40_000,
        teacher=("features:minilm",),
        distillation=Distillation(min_steps=300, learning_rate=1e-2),  # a fifth of the default's steps, for time
        out=str(tmp_path / "out"),
    )
    summary = pipeline(config)
    assert summary["teacher"]["f1"] > 0.5
    assert summary["student"]["f1"] > summary["baseline"]["f1"]
    assert summary["student"]["parameters"] <= 3_000_000
    texts = dict(zip(news["id"].to_pylist(), news["text"].to_pylist(), strict=True))
    rows = [row for table in RunDirectory.finished_at(f"{config.out}/entities").tables() for row in table.to_pylist()]
    assert [row["id"] for row in rows] == list(texts) and not any(row["error"] for row in rows)
    found = [(texts[row["id"]], entity) for row in rows for entity in row["entities"]]
    assert len(found) > 500
    assert all(text[entity["start"] : entity["end"]] == entity["text"] for text, entity in found)
