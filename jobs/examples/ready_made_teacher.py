"""Distill a student from a finished teacher, here a list of names, without any labeled sentence.

Reads   a file of names, each with its type behind a tab (`Angela Merkel<TAB>PER`), and a corpus
Writes  OUT/logits, OUT/student and OUT/entities, each a run directory; prints what the student finds in a text
Needs   CPU cores; started again it does only what is missing

    python jobs/examples/ready_made_teacher.py --names names.tsv --corpus news/ --out runs/gazetteer

`Gazetteer` is a class of one's own. Where its name stands, `ready_made_teacher:Gazetteer=names.tsv`, the name of any
other finished tagger may stand as well: a folder, or NAME of the Hugging Face hub, for a token classifier; `spacy:NAME`
for a spaCy pipeline; `gliner:NAME=person,city` for a GLiNER model. A class that wraps a model, and returns its logits
from `score_words`, teaches more than a list, which says of each name that it lacks that it is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kdner.distillation.recipe import Distillation
from kdner.errors import InputError
from kdner.jobs.distill_student import DistillStudent, distill_student
from kdner.jobs.precompute_logits import PrecomputeLogits, precompute_logits
from kdner.jobs.tag_corpus import TagCorpus, tag_corpus
from kdner.labels.tags import label_list
from kdner.on_ray.job import run_job
from kdner.student import Student
from kdner.student.config import StudentConfig
from kdner.teacher.found_entities import Found, entity_logits
from kdner.text.words import split_words


class Gazetteer:
    """Finds the names of a list, the longest first. Only `labels` and `score_words` are needed of a teacher."""

    scheme = "IOB2"

    def __init__(self, path: str) -> None:
        self.types = read_names(Path(path))
        self.longest = max(map(len, self.types))
        self.labels = label_list(f"B-{kind}" for kind in self.types.values())
        self.fingerprint = {"names": hashlib.sha256(Path(path).read_bytes()).hexdigest()}  # another list, other logits

    def score_words(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """Return a row of logits for each word of all sentences, in order: float [words, labels]."""
        return np.concatenate([entity_logits(self.find(words), len(words), self.labels) for words in sentences])

    def find(self, words: Sequence[str]) -> list[Found]:
        """Return the names in a sentence, of which none overlap."""
        found, first = [], 0
        while first < len(words):
            ends = range(min(first + self.longest, len(words)), first, -1)
            last = next((end for end in ends if tuple(words[first:end]) in self.types), None)
            if last is not None:
                found.append(Found(first, last, self.types[tuple(words[first:last])]))
            first = last or first + 1
        return found


def read_names(path: Path) -> dict[tuple[str, ...], str]:
    """Return the type of each name, by its words.

    Raises:
        InputError: the file cannot be read, or a line is no name with a type.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a file of names in UTF-8") from None
    types: dict[tuple[str, ...], str] = {}
    for number, line in enumerate(lines, 1):
        name, _, kind = line.partition("\t")
        words = tuple(split_words(name).words)
        if words and kind.strip():
            types[words] = kind.strip()
        elif line.strip():
            raise InputError(f"{path}:{number}: {line!r} is no name with its type behind a tab")
    if not types:
        raise InputError(f"{path}: holds no names; write each on a line, with its type behind a tab")
    return types


@dataclass(frozen=True, kw_only=True)
class ReadyMade:
    """Distill a student from a list of names."""

    names: str
    """File of names with their types."""
    corpus: tuple[str, ...]
    """Files, folders or globs of texts without labels."""
    encoder: str = "minilm"
    """Encoder whose piece embeddings become the student's first word vectors."""
    text: str = "Angela Merkel flew to Paris."
    """A text to tag at the end."""
    out: str = "runs/ready_made"
    """Folder for everything."""
    student: StudentConfig = field(default_factory=StudentConfig)
    distillation: Distillation = field(default_factory=lambda: Distillation(alpha=1.0))
    """An alpha of 1 learns the teacher's labels alone; below 1 also how sure it is, where it says so."""


def distill(config: ReadyMade) -> Student:
    """Score the corpus, learn from the scores alone, and tag the corpus."""
    teacher = f"{Path(__file__).stem}:Gazetteer={config.names}"
    logits, student, entities = (f"{config.out}/{name}" for name in ("logits", "student", "entities"))

    precompute_logits(PrecomputeLogits(corpus=config.corpus, teacher=(teacher,), out=logits))
    learning = DistillStudent(
        logits=(logits,),
        teacher=config.encoder,
        student=config.student,
        distillation=config.distillation,
        out=student,
    )
    distill_student(learning)
    tagged = tag_corpus(TagCorpus(corpus=config.corpus, student=student, out=entities))

    print(f"{tagged['entities']:,} entities in {tagged['documents']:,} documents, in {entities}")
    return Student.from_pretrained(student)


def main(config: ReadyMade) -> None:
    """Distill, and show what the student finds in a text."""
    for entity in distill(config).tag(config.text):
        print(f"{entity.start:>4} {entity.end:>4}  {entity.label:<6} {entity.score:.2f}  {entity.text}")


if __name__ == "__main__":
    run_job(ReadyMade, main)
