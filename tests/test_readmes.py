"""What the READMEs and messages say of the package is what its metadata say."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("[!.]*/README.md"))]
METADATA = (ROOT / "pyproject.toml").read_text("utf-8")
EXTRAS = dict(
    re.findall(r"^(\w+) = (\[.*\])$", METADATA.split("[project.optional-dependencies]")[1].split("\n[")[0], re.M)
)
WITH_EXTRA = re.compile(r"""(?:['"]\.|\bkdner)\[([\w,]+)\]""")


def test_one_version_of_python_is_asked_for():
    (required,) = re.findall(r'^requires-python = ">=(3\.\d+)"', METADATA, re.M)
    said = {path: set(re.findall(r"Python (3\.\d+)(?= or newer)", path.read_text("utf-8"))) for path in PAGES}
    assert {path.parent.name for path, versions in said.items() if versions} >= {ROOT.name, "tests"}
    assert set().union(*said.values()) == {required}
    assert f'target-version = "py{required.replace(".", "")}"' in METADATA
    assert not re.search(r"Python 3\.\d+\b(?! or newer)", (ROOT / "README.md").read_text("utf-8"))


def test_every_extra_that_is_named_exists():
    sources = [*PAGES, *ROOT.glob("jobs/**/*.py"), *ROOT.glob("kdner/**/*.py"), *ROOT.glob(".ci/*")]
    named = {
        extra for path in sources for names in WITH_EXTRA.findall(path.read_text("utf-8")) for extra in names.split(",")
    }
    assert {"quickstart", "measure", "test", "dev", "tensorboard"} <= named <= EXTRAS.keys()


def test_tensorboard_which_the_pages_name_is_in_an_extra():
    assert any("tensorboard --logdir" in path.read_text("utf-8") for path in PAGES)
    assert [Requirement(need).name for need in re.findall(r'"(.+?)"', EXTRAS["tensorboard"])] == ["tensorboard"]
