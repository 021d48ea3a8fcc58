"""The house: which room may import which, and that only one knows of Ray."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [
    "kernels",
    "text",
    "labels",
    "runs",
    "data",
    "labeled",
    "corpora",
    "shards",
    "student",
    "integrations",
    "teacher",
    "measuring",
    "pages",
    "distillation",
    "study",
    "on_ray",
]
"""From left to right; a room imports from those to its left."""
NEEDS = {"kdner.teacher.window_kernel": "triton", "kdner.integrations.spacy_pipe": "spacy"}
"""Modules that cannot be imported without a package that not everybody installs."""
FRONT_DOORS = {"kdner", "kdner.command"}
"""What a user calls first; it leads to the rooms when it is called."""
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "kdner").rglob("*.py"))
}


def place(module):
    """A room's number; 0 for the root of kdner."""
    parts = module.split(".")
    return 1 + ROOMS.index(parts[1]) if len(parts) > 1 and parts[1] in ROOMS else 0


def imports(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_folder_is_a_room():
    folders = {path.name for path in (ROOT / "kdner").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {*ROOMS, "jobs"}


def test_the_scripts_are_the_modules_of_the_package():
    assert (ROOT / "kdner" / "jobs").samefile(ROOT / "jobs")


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_from_those_to_its_left(module):
    own = {name for name in imports(MODULES[module]) if name.split(".")[0] in ("kdner", "jobs")}
    assert not [name for name in own if name.startswith(("jobs", "kdner.jobs"))]
    assert module in FRONT_DOORS or not [name for name in own if place(name) > place(module)]
    if place(module):
        assert not [name for name in own if name.startswith("kdner.on_ray") and not module.startswith("kdner.on_ray")]


def test_no_files_import_each_other_in_a_circle():
    def target(name):
        return name if name in MODULES else name.rpartition(".")[0]

    graph = {module: {target(name) for name in imports(path)} & MODULES.keys() for module, path in MODULES.items()}
    graph |= {door: set() for door in FRONT_DOORS}
    left = {module: needed - {module} for module, needed in graph.items()}
    while free := [module for module, needed in left.items() if not needed & left.keys()]:
        for module in free:
            del left[module]
    packages = {
        module for module in left if MODULES[module].name == "__init__.py"
    }  # they offer a name of a file of theirs
    assert not left.keys() - packages, f"in a circle: {sorted(left)}"


def test_what_computes_does_not_know_of_ray_not_even_indirectly():
    outside = {module for module in MODULES if not module.startswith("kdner.on_ray")}
    for module, package in NEEDS.items():
        if importlib.util.find_spec(package) is None:
            outside -= {module}
    script = f"""
import importlib, sys
for module in {outside}:
    importlib.import_module(module)
    assert "ray" not in sys.modules, f"{{module}} imports ray"
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("script", "without"),
    [
        (
            "from kdner import Tagger; assert Tagger.from_pretrained('kdner/general-tiny').tag('Ada flew to Rome.')",
            {"torch", "ray", "transformers", "tokenizers", "datasets", "pandas", "scipy", "huggingface_hub"},
        ),
        (
            "import tempfile; from kdner.student import Student; s = Student.from_pretrained('kdner/general-tiny')\n"
            "assert s.tag('Ada flew to Rome.'); s.save_pretrained(tempfile.mkdtemp())",
            {"torch", "ray", "transformers", "tokenizers", "datasets", "pandas", "scipy", "huggingface_hub"},
        ),
        (
            "import kdner.integrations.formats, kdner.integrations.data_frames, kdner.integrations.doubts",
            {"torch", "ray", "transformers", "tokenizers", "datasets", "scipy", "huggingface_hub"},
        ),
        (
            "import kdner.on_ray.shard_actor, kdner.student.tag_documents",
            {"torch", "transformers", "tokenizers", "datasets", "pandas", "scipy", "tensorboardX", "huggingface_hub"},
        ),
        ("import kdner.jobs.tag_corpus", {"torch", "transformers", "tokenizers", "datasets", "scipy"}),
    ],
    ids=["a tagger", "a student", "what other tools see", "an actor that tags", "tag_corpus"],
)
def test_who_tags_imports_no_more_than_that_takes(script, without):
    ran = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not without & set(ran.stdout.split())


def test_no_job_waits_for_the_import_of_what_it_may_never_use():
    script = "import sys; from kdner.jobs import pipeline, low_resource; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    slow = {"torch._dynamo", "sympy", "seqeval", "sklearn", "datasets", "matplotlib"}
    assert not slow & set(ran.stdout.split())


def test_each_room_says_what_it_is_for():
    for room in ROOMS:
        tree = ast.parse((ROOT / "kdner" / room / "__init__.py").read_text("utf-8"))
        assert "import" in (ast.get_docstring(tree) or ""), (
            f"{room}: what lives here, and what may be imported from where"
        )
