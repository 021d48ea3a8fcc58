"""From a labeled file and a folder of texts to a student and a tagged corpus, in Python.

Reads   a labeled set, and a folder of texts (.txt, a document a line; .jsonl; or .parquet)
Writes  all that the main job writes: OUT/student, OUT/entities, OUT/page.html and the rest
Needs   what jobs/pipeline.py needs, and pandas; started again it goes on where it stopped

    python jobs/examples/own_data.py --labeled train.conll --texts news/ --out runs/own_data

Every job is a function of a config and returns its summary; the fields of the config are the flags of the command line.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from kdner.jobs.pipeline import Pipeline, pipeline
from kdner.measuring.reports import model_table
from kdner.on_ray.job import run_job
from kdner.student import Student
from kdner.student.config import StudentConfig

MODELS = ("teacher", "teacher-2", "student", "baseline")


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """From a labeled file and a folder of texts to a student and a tagged corpus."""

    labeled: str
    """Labeled set, in any format that kdner reads."""
    texts: str
    """Folder of texts without labels."""
    text: str = "Angela Merkel flew to Paris."
    """A text to tag at the end."""
    out: str = "runs/own_data"
    """Folder for everything."""


def settings(files: OwnData) -> Pipeline:
    """Return the config of the main job; what is not named here has its default."""
    return Pipeline(
        labeled=files.labeled,
        test_share=0.2,
        corpus=(files.texts,),
        teacher=("minilm", "features:minilm"),
        transfer_words=300_000,
        student=StudentConfig(max_parameters=1_000_000),
        out=files.out,
    )


def own_data(config: Pipeline, text: str) -> Student:
    """Do the main job, and show what came out."""
    summary = pipeline(config)
    print(model_table({name: summary[name] for name in MODELS if name in summary}))

    corpus = pd.read_parquet(f"{config.out}/entities")
    print(corpus["entities"].explode().dropna().str["label"].value_counts())

    student = Student.from_pretrained(f"{config.out}/student")
    for entity in student.tag(text):
        print(f"{entity.start:>4} {entity.end:>4}  {entity.label:<6} {entity.score:.2f}  {entity.text}")
    return student


def main(files: OwnData) -> None:
    """Do it with the files of the command line."""
    own_data(settings(files), files.text)


if __name__ == "__main__":
    run_job(OwnData, main)
