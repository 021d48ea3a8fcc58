from __future__ import annotations

import json

import pytest

from kdner.config_file import parse
from kdner.errors import InputError
from kdner.jobs.evaluate import Evaluate
from kdner.jobs.pipeline import Pipeline
from kdner.jobs.tag_corpus import TagCorpus
from kdner.runs.provenance import settings
from kdner.student.config import StudentConfig


def in_file(tmp_path, text, name="run.yaml"):
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


@pytest.mark.parametrize(
    "config",
    [
        Pipeline(labeled="a.conll", corpus=("x.jsonl", "y.jsonl"), labeled_size=750, teacher=("minilm",)),
        Evaluate(test="t.conll", models=("a", "b"), compare=("a", "b"), out="o"),
        TagCorpus(corpus=("x.txt",), student="s", out="o", dtype="bfloat16"),
    ],
)
def test_the_summary_of_a_run_repeats_it(tmp_path, config):
    file = in_file(tmp_path, json.dumps({"f1": 1, "provenance": {"configuration": settings(config)}}), "_summary.json")
    assert parse(type(config), ["--config", file]) == config
    assert parse(type(config), [f"--config={file}", "--out", "other"]).out == "other"


def test_flags_by_their_names(tmp_path):
    file = in_file(
        tmp_path,
        "labeled-size: 750\nlabeled: a.conll\ncorpus: news/\nteacher: [minilm]\n"
        "fine-tuning:\n  learning-rate: 1e-4\n  max_steps: 500\nstudent: {head: crf, dropout: 0}\n",
    )
    config = parse(Pipeline, ["--config", file, "--fine-tuning.max-steps", "600"])
    assert (config.labeled_size, config.labeled, config.corpus, config.teacher) == (
        750,
        "a.conll",
        ("news/",),
        ("minilm",),
    )
    assert (config.fine_tuning.learning_rate, config.fine_tuning.max_steps) == (1e-4, 600)
    assert (config.student.head, config.student.dropout) == ("crf", 0.0)


def test_numbers_are_the_text_that_they_are_written_as_where_text_is_expected(tmp_path):
    needed = "corpus: 2024\nstudent: 1.10\nout: 2026-01-02\n"
    for score, found in (("0.5", ("0.5",)), ("[0.50, PER=0.7]", ("0.50", "PER=0.7")), ("PER=.7", ("PER=.7",))):
        config = parse(TagCorpus, ["--config", in_file(tmp_path, f"{needed}score: {score}\n")])
        assert (config.score, config.corpus, config.student, config.out) == (found, ("2024",), "1.10", "2026-01-02")
    file = in_file(
        tmp_path, '{"corpus": ["x"], "student": 7, "out": "o", "score": [0.5], "shard_timeout": 60}', "a.json"
    )
    config = parse(TagCorpus, ["--config", file])
    assert (config.score, config.student, config.shard_timeout) == (("0.5",), "7", 60.0)


@pytest.mark.parametrize(
    "name, text",
    [
        ("run.yaml", "actors.count: 3\nactors.cpus: 2\n"),
        ("run.yaml", "actors: {count: 3}\nactors.cpus: 2\n"),
        ("run.yaml", "actors.cpus: 2\nactors:\n  count: 3\n"),
        ("run.json", '{"actors.count": 3, "actors": {"cpus": 2}}'),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_dotted_names_and_byte_order_marks(tmp_path, name, text, mark):
    file = in_file(tmp_path, mark + text, name)
    config = parse(TagCorpus, ["--config", file, "--corpus", "x", "--student", "s", "--out", "o"])
    assert (config.actors.count, config.actors.cpus) == (3, 2)


def test_a_preset_in_a_file_and_beside_it(tmp_path, capsys):
    file = in_file(tmp_path, "student: {preset: tiny, hidden: 64}\n")
    assert parse(Pipeline, ["--config", file]).student == StudentConfig(preset="tiny", hidden=64)
    large = parse(Pipeline, ["--config", file, "--student.preset", "large"]).student
    assert large == StudentConfig(preset="large", hidden=64)
    file = in_file(tmp_path, "labeled: a.conll\n")
    assert parse(Pipeline, ["--config", file, "--student.preset", "tiny"]).student == StudentConfig(preset="tiny")
    file = in_file(tmp_path, json.dumps({"provenance": {"configuration": settings(Pipeline())}}), "_summary.json")
    with pytest.raises(SystemExit):
        parse(Pipeline, ["--config", file, "--student.preset", "tiny"])
    assert "--student.preset tiny: has nothing to give" in capsys.readouterr().err


def test_what_a_file_leaves_out_is_still_needed(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse(TagCorpus, ["--config", in_file(tmp_path, "corpus: news/\nstudent: s\n")])
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, message",
    [
        ("labelled: a.conll", "--labelled is no flag of this job; perhaps you meant --labeled"),
        (
            "fine-tuning:\n  learnin_rate: 1",
            "--fine-tuning.learnin-rate is no flag of this job; perhaps you meant --fine-",
        ),
        ("labeled-size: many", "--labeled-size is 'many'; expected int"),
        ("labeled-size: true", "--labeled-size is True; expected int"),
        ("seed:", "--seed is None; expected int"),
        ("student:\n  head: mlp", "--student.head is 'mlp'; expected Literal['softmax', 'crf']"),
        ("student:\n  preset: huge", "--student.preset is 'huge'; expected Literal['tiny', 'base', 'large']"),
        ("fine-tuning: 3", "--fine-tuning is '3'; expected FineTuning"),
        ("corpus: [[1]]", "--corpus is ['1']; expected str"),
        ("labeled: yes", "--labeled is True; expected str"),
        ("labeled-size: 7.5", "--labeled-size is '7.5'; expected int"),
        ("labeled-size: 7\nlabeled_size: 8", "--labeled-size is given twice; keep one of them"),
        ("actors.count: 3\nactors: {count: 4}", "--actors.count is given twice; keep one of them"),
        ("actors.cont: 3", "--actors.cont is no flag of this job; perhaps you meant --actors.count"),
        ("labeled.x: a", "--labeled is {'x': 'a'}; expected str"),
        ("- a", "expected flags by their names"),
        ("a: [", "cannot be read"),
    ],
)
def test_slips_in_a_file(tmp_path, text, message):
    with pytest.raises(InputError) as error:
        parse(Pipeline, ["--config", in_file(tmp_path, text)])
    assert message in str(error.value) and "run.yaml" in str(error.value)


def test_no_file():
    with pytest.raises(InputError, match="--config: names no file"):
        parse(Pipeline, ["--config"])
    with pytest.raises(InputError, match="--config nowhere: cannot be read"):
        parse(Pipeline, ["--config", "nowhere"])


def test_help_names_the_flag(capsys):
    with pytest.raises(SystemExit):
        parse(TagCorpus, ["--help"])
    assert "--config FILE" in capsys.readouterr().out
