"""Use a student from pandas, from spaCy and from Label Studio: each function is three lines or fewer.

Reads   a student, and a column `text` of a Parquet, CSV or JSON lines file
Writes  OUT/tasks.json for Label Studio and, where spaCy is installed, OUT/docs.spacy; prints the entities
Needs   pandas and tyro; for the two functions of spaCy also spaCy (pip install 'kdner[spacy]'); no Ray, no PyTorch

    python jobs/examples/pandas_and_spacy.py --student runs/student --texts news.parquet --out runs/other_tools

Offsets are Unicode code points in all of them. What people made of the tasks in Label Studio is a labeled set as it is
exported: `--labeled export.json` of every job, or `kdner.labeled.sets.read_labeled("export.json")`.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import tyro

from kdner.errors import InputError
from kdner.integrations.annotated import of_texts
from kdner.integrations.data_frames import entity_frame
from kdner.integrations.formats import FORMATS
from kdner.student import Student

HAS_SPACY = importlib.util.find_spec("spacy") is not None
if HAS_SPACY or TYPE_CHECKING:
    import spacy
    from spacy.tokens import DocBin


def tag_column(student: Student, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each entity: start, end, label, text and score, under the index of its text."""
    return entity_frame(student, frame["text"])


def write_label_studio(student: Student, texts: Iterable[str], path: Path) -> None:
    """Write tasks for Label Studio, with the student's entities as predictions."""
    documents = of_texts(student, texts)
    path.write_bytes(FORMATS["label-studio"].write(documents, student.labels))


def make_pipeline(model: str) -> spacy.Language:
    """Return a pipeline whose `doc.ents` are the student's; `nlp.pipe(texts)` tags many texts at once."""
    nlp = spacy.blank("en")
    nlp.add_pipe("kdner", config={"model": model})
    return nlp


def tag_docbin(nlp: spacy.Language, source: Path, target: Path) -> None:
    """Read the Docs of a DocBin, tag them, and write them with their entities and scores."""
    docs = nlp.pipe(DocBin(store_user_data=True).from_disk(source).get_docs(nlp.vocab))
    DocBin(docs=docs, store_user_data=True).to_disk(target)


@dataclass(frozen=True, kw_only=True)
class OtherTools:
    """Use a student from pandas, from spaCy and from Label Studio."""

    student: str
    """The student: a folder, or OWNER/MODEL of the Hugging Face hub."""
    texts: str
    """File with a column `text`: .parquet, .csv or .jsonl."""
    out: str
    """Folder for what is written."""


def main(config: OtherTools) -> None:
    """Call each function once."""
    out, student = Path(config.out), Student.from_pretrained(config.student)
    frame = read_frame(Path(config.texts))
    out.mkdir(parents=True, exist_ok=True)
    print(tag_column(student, frame))
    write_label_studio(student, frame["text"], out / "tasks.json")
    if not HAS_SPACY:
        print("spaCy is not installed: pip install 'kdner[spacy]'")
        return
    nlp = make_pipeline(config.student)
    for doc in nlp.pipe(frame["text"].head()):
        print([(entity.text, entity.label_, entity._.kdner_score) for entity in doc.ents])
    bare = DocBin(docs=map(nlp.make_doc, frame["text"]))
    bare.to_disk(out / "bare.spacy")
    tag_docbin(nlp, out / "bare.spacy", out / "docs.spacy")


def read_frame(path: Path) -> pd.DataFrame:
    """Read a table by the suffix of its file, without the rows that have no text.

    Raises:
        InputError: it cannot be read, or has no column `text` of texts.
    """
    read = {".csv": pd.read_csv, ".jsonl": partial(pd.read_json, lines=True)}.get(path.suffix, pd.read_parquet)
    if not path.exists():
        raise InputError(f"{path}: no such file; give one of .parquet, .csv or .jsonl")
    try:
        frame = read(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a file of .parquet, .csv or .jsonl") from None
    if "text" not in frame:
        raise InputError(f"{path}: no column 'text', only {', '.join(map(str, frame))}; rename the one with the texts")
    frame = frame.dropna(subset=["text"])
    other = next((text for text in frame["text"] if not isinstance(text, str)), None)
    if other is not None:
        raise InputError(f"{path}: column 'text' holds {other!r}; expected texts. Rename the column that holds them")
    return frame


if __name__ == "__main__":
    try:
        main(tyro.cli(OtherTools))
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
