"""The main job: from a labeled set and a corpus without labels to a trained student and a tagged corpus.

Reads   a labeled set, a labeled test set, a corpus, and an encoder; by default a small embedded example
        (`kdner.data.quickstart`)
Writes  OUT/teacher, OUT/teacher-2 and so on, OUT/logits, OUT/student, OUT/baseline, OUT/evaluation, OUT/entities, and
        OUT/summary.json
Needs   what its steps need; each is a job of its own here. Started again it goes on where it stopped

    python jobs/pipeline.py
    python jobs/pipeline.py --labeled eng.train --labeled-size 750 --test eng.testb --corpus news.parquet

With --labeled-size N the rest of the labeled set joins the transfer set without its labels (the paper's low-resource
simulation). The baseline is the same student, trained on the labeled set only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from jobs.distill_student import DistillStudent, distill_student
from jobs.evaluate import Evaluate, evaluate
from jobs.finetune_teacher import FinetuneTeacher, finetune_teacher
from jobs.precompute_logits import PrecomputeLogits, precompute_logits
from jobs.tag_corpus import TagCorpus, tag_corpus
from kdner.data.corpus import CorpusPlan, corpus_plan
from kdner.data.labeled_sentence import LabeledSentence
from kdner.data.labeled_sets import check_labels, drawn_fingerprint, read_drawn, read_labeled
from kdner.data.quickstart import write_quickstart
from kdner.distillation.trainer import Distillation
from kdner.distillation.transfer_corpus import transfer_corpus
from kdner.errors import InputError
from kdner.flags import Corpus, LabeledSet
from kdner.measuring.reports import pipeline_report
from kdner.on_ray.job import once, run
from kdner.on_ray.train import Workers
from kdner.runs.provenance import settings
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import CORPUS
from kdner.student.model import BERT_BASE_PARAMETERS, StudentConfig
from kdner.teacher.by_name import encoder_of
from kdner.teacher.fine_tuning import FineTuning
from kdner.teacher.model import check_encoder

QUICKSTART = "quickstart"
TRANSFER_FILE = "transfer.parquet"


@dataclass(frozen=True, kw_only=True)
class Pipeline(LabeledSet, Corpus):
    """From a labeled set and a corpus without labels to a trained student and a tagged corpus."""

    labeled: str = QUICKSTART
    """Labeled set: a file of CoNLL columns (token first, tag last), a .jsonl file of text and spans, or
    hf:NAME[:SPLIT]; quickstart is the embedded example, with its own test set and corpus."""
    test: str = ""
    """Labeled set for the final scores, in the same formats."""
    corpus: tuple[str, ...] = ()
    """Files, folders or globs of Parquet, JSONL or plain text (a document a line), each also gzipped, on a local disk
    or any file system that pyarrow knows (s3://, gs://), and hf:NAME[:SPLIT]. All of it is tagged."""
    transfer_words: int = 1_200_000
    """White-space separated words of --corpus drawn at random for the transfer set; 0 takes all of it."""
    teacher: tuple[str, ...] = ("minilm", "features:minilm")
    """Teachers to train, each an encoder to fine-tune or features:ENCODER for a feature-based tagger over it, where
    ENCODER is minilm, a model directory, or a name on the Hugging Face hub (safetensors only). The student learns from
    the mean of their logits."""
    vectors: str = "teacher"
    """First word vectors: teacher (its piece embeddings reduced by SVD), random, or a GloVe or word2vec text file."""
    out: str = "runs/pipeline"
    """Folder for everything, which every node sees."""
    fine_tuning: FineTuning = field(default_factory=FineTuning)
    student: StudentConfig = field(default_factory=StudentConfig)
    distillation: Distillation = field(default_factory=Distillation)
    workers: Workers = field(default_factory=Workers)


def pipeline(config: Pipeline) -> dict[str, Any]:
    """Do the job; returns its summary."""
    fixed = {key: value for key, value in settings(config).items() if key not in ("out", "actors", "workers")}
    if config.labeled == QUICKSTART:
        files = write_quickstart(Path(config.out) / ".quickstart")
        config = replace(config, labeled=str(files.labeled), test=str(files.test), corpus=(str(files.corpus),))
    if not config.teacher:
        raise InputError("--teacher: at least one is needed")
    if len(set(config.teacher)) < len(config.teacher):
        raise InputError(f"--teacher {' '.join(config.teacher)}: one is named twice, and would learn the same twice")
    if not config.test:
        raise InputError("--test: a labeled set for the final scores is needed")
    for name in config.teacher:
        check_encoder(encoder_of(name))
    _, rest, labels = read_drawn(config)
    check_labels(read_labeled(config.test), labels, config.test)
    if not rest and not config.corpus:
        raise InputError("--corpus: nothing to distill from; give one, or a --labeled-size that leaves sentences over")
    plan = corpus_plan(config, config.out) if config.corpus else None
    fingerprint = {"job": "pipeline", **fixed}

    def work(directory: RunDirectory) -> dict[str, Any]:
        return _steps(config, rest, plan, directory.local_path)

    return once(config.out, fingerprint, work, configuration=config)


def _steps(config: Pipeline, rest: list[LabeledSentence], plan: CorpusPlan | None, out: Path) -> dict[str, Any]:
    transferred = str(out / "transfer" / TRANSFER_FILE)
    teachers = [str(out / name) for name in _teacher_folders(len(config.teacher))]
    logits, student, baseline = (str(out / name) for name in ("logits", "student", "baseline"))
    learn = _flags(config, LabeledSet)
    tuning = {
        f"finetune_{Path(folder).name}": FinetuneTeacher(
            **learn, teacher=name, out=folder, fine_tuning=config.fine_tuning
        )
        for name, folder in zip(config.teacher, teachers, strict=True)
    }
    shared = {name: getattr(config, name) for name in ("max_error_rate", "actors")}
    scoring = PrecomputeLogits(**shared, corpus=(transferred,), teacher=tuple(teachers), out=logits)
    shared = {name: getattr(config, name) for name in ("vectors", "student", "distillation", "workers")}
    distilling = DistillStudent(**learn, **shared, teacher=teachers[0], logits=(logits,), out=student)
    evaluating = Evaluate(test=config.test, models=(*teachers, student, baseline), out=str(out / "evaluation"))
    tagging = TagCorpus(**_flags(config, Corpus), student=student, out=str(out / "entities"))
    if not config.corpus:
        tagging = replace(tagging, corpus=(transferred,), text_column="text", id_column="id")
    done = {
        "draw_transfer_corpus": _draw_transfer_corpus(config, rest, plan, out / "transfer"),
        **{stage: finetune_teacher(one) for stage, one in tuning.items()},
        "precompute_logits": precompute_logits(scoring),
        "distill_student": distill_student(distilling),
        "distill_baseline": distill_student(replace(distilling, logits=(), out=baseline)),
        "evaluate": evaluate(evaluating),
        "tag_corpus": tag_corpus(tagging),
    }
    models = {Path(folder).name: scores for folder, scores in done["evaluate"]["models"].items()}
    tagged = done["tag_corpus"]
    own = models["student"]["parameters"]
    return {
        **models,
        "compression": round(models["teacher"]["parameters"] / own, 1),
        "compression_of_bert_base": round(BERT_BASE_PARAMETERS / own, 1),
        "tagged": {key: tagged[key] for key in ("documents", "words", "entities", "errors", "words_per_second")},
        "stages": {name: summary["stage_seconds"] for name, summary in done.items()},
    }


def _teacher_folders(count: int) -> list[str]:
    """Return the names of the folders that so many teachers are written to."""
    return ["teacher", *(f"teacher-{k}" for k in range(2, 1 + count))]


def _flags(config: Pipeline, shared: type) -> dict[str, Any]:
    return {flag.name: getattr(config, flag.name) for flag in fields(shared)}


def _draw_transfer_corpus(
    config: Pipeline, rest: list[LabeledSentence], plan: CorpusPlan | None, folder: Path
) -> dict[str, Any]:
    fingerprint = {
        "labeled": drawn_fingerprint(config),
        "corpus": plan.fingerprint() if plan else None,
        "transfer_words": config.transfer_words,
    }

    def work(directory: RunDirectory) -> dict[str, Any]:
        drawn = transfer_corpus(rest, plan, words=config.transfer_words, seed=config.seed)
        directory.write_table(TRANSFER_FILE, drawn, CORPUS)
        return {"documents": drawn.num_rows, "labeled_sentences_without_labels": len(rest)}

    return once(str(folder), fingerprint, work, files=[TRANSFER_FILE])


def main(config: Pipeline) -> None:
    """Do the job and print its report."""
    print(pipeline_report(pipeline(config), Path(config.out)))


if __name__ == "__main__":
    run(Pipeline, main)
