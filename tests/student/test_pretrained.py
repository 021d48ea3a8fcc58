"""The student that comes with the package: `kdner/general-tiny`."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from kdner.runs.hub import CARD, SHIPPED, pinned
from kdner.student.model import Student
from kdner.student.saved import GENERAL, MODEL_FILES

ROOT = Path(__file__).parents[2]
FOLDER = SHIPPED / GENERAL.removeprefix("kdner/")
MAX_BYTES = 2_000_000


@pytest.fixture(scope="module")
def general():
    return Student.from_pretrained(GENERAL)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Angela Merkel flew to Paris.", {("Angela Merkel", "PER"), ("Paris", "LOC")}),
        ("Marie Curie was born in Warsaw.", {("Marie Curie", "PER"), ("Warsaw", "LOC")}),
        ("The train to Berlin is late.", {("Berlin", "LOC")}),
        ("It rained all day.", set()),
    ],
)
def test_it_knows_plain_sentences(general, text, expected):
    assert {(entity.text, entity.label) for entity in general.tag(text)} == expected


def test_it_is_small_and_whole():
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert set(files) == {*MODEL_FILES, CARD}
    assert sum(files.values()) <= MAX_BYTES


def test_its_card_says_where_it_comes_from_and_what_it_may_be_used_for():
    card = (FOLDER / CARD).read_text("utf-8")
    assert "license: cc-by-sa-4.0" in card and "WikiGold" in card and "Wikipedia" in card and "pipeline.py" in card


def test_it_holds_words_and_no_texts():
    """A vocabulary is a list of single words; no entry could be a sentence."""
    vocabulary = Student.from_pretrained(FOLDER).vocabulary
    assert not any(" " in word for word in vocabulary.words)


def test_every_file_of_it_is_package_data():
    patterns = ["pretrained/*/*"]
    assert f'"kdner.student" = {patterns}'.replace("'", '"') in (ROOT / "pyproject.toml").read_text("utf-8")
    assert all(fnmatch(f"pretrained/{path.relative_to(SHIPPED)}", patterns[0]) for path in FOLDER.iterdir())


def test_it_needs_no_network_and_no_folder(tmp_path):
    script = (
        "import socket, sys; socket.socket.connect = None; "
        "from kdner import Student; "
        f"print([e.text for e in Student.from_pretrained('{GENERAL}').tag('Angela Merkel flew to Paris.')]); "
        "assert not {'ray', 'transformers', 'httpx'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert ran.stdout.strip() == "['Angela Merkel', 'Paris']"


def test_jobs_on_other_nodes_know_it_by_its_name():
    assert pinned(GENERAL, MODEL_FILES) == GENERAL
