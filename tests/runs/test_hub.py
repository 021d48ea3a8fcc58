"""Models fetched from the hub and put there: a stand-in of the hub on this machine, asked by processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import Hub
from huggingface_hub import ModelCard

from kdner.errors import InputError
from kdner.runs.hub import model_folder, push_folder
from kdner.runs.run_directory import RunDirectory
from kdner.student.model import Student
from kdner.student.saved import MODEL_FILES
from kdner.teacher import encoder

TEXT = "Anna flew to Paris."


SERVE = """
import contextlib, io, json, os, sys
from kdner.errors import InputError
from kdner.student import Student

for line in sys.stdin:
    folder, code = json.loads(line)
    os.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            exec(code, globals())
        except InputError as error:
            print(error)
    print(json.dumps(printed.getvalue().strip()), flush=True)
"""


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    """A process that takes a stand-in for the hub, has no token, and runs lines of Python; and the stand-in."""
    hub = Hub()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    own = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path_factory.mktemp("hf")), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, env={**kept, **own}, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        yield hub, child
        child.stdin.close()
    hub.shutdown()


@pytest.fixture
def hub(process):
    hub, _ = process
    hub.repositories.clear()
    hub.fetched.clear()
    hub.tokens.clear()
    return hub


@pytest.fixture
def python(process, tmp_path):
    """Run lines of Python in that process, in the test's folder; returns what they print, or a message of ours."""

    def run(code):
        _, child = process
        child.stdin.write(json.dumps([str(tmp_path), code]).encode() + b"\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    return run


@pytest.fixture
def student_files(make_student, tmp_path):
    make_student().save_pretrained(tmp_path / "news")
    return {path.name: path.read_bytes() for path in (tmp_path / "news").iterdir()}


def test_a_student_is_fetched_by_its_name_and_tags(hub, python, student_files, tmp_path):
    hub.commit("me/news", {**student_files, "pytorch_model.bin": b"pickle", "kdner.py": b"raise SystemExit"})
    code = f'print([repr(e) for e in Student.from_pretrained("me/news").tag({TEXT!r})])'
    expected = [repr(entity) for entity in Student.from_pretrained(tmp_path / "news").tag(TEXT)]
    assert python(code) == str(expected)
    assert set(hub.fetched) == {*MODEL_FILES, "README.md"}
    assert hub.tokens == {None}


def test_loading_needs_no_ray_transformers_or_pandas(student_files, tmp_path):
    code = """import sys
from kdner.student import Student
Student.from_pretrained("news").tag("Anna flew to Paris.")
print(sorted({"ray", "transformers", "pandas", "datasets", "huggingface_hub"} & sys.modules.keys()))"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_fetching_needs_no_ray_transformers_or_pandas(hub, python, student_files):
    hub.commit("my/news", student_files)
    loaded = "sorted({'ray', 'transformers', 'pandas', 'datasets', 'huggingface_hub'} & sys.modules.keys())"
    assert python(f"Student.from_pretrained('my/news').tag('Anna left.'); print({loaded})") == "['huggingface_hub']"


def test_a_revision_is_the_one_that_was_asked_for(hub, python, student_files):
    first = hub.commit("me/news", {**student_files, "README.md": b"the first"})
    hub.commit("me/news", {"README.md": b"the second"})
    code = "print(Student.from_pretrained({}).card)"
    assert python(code.format('"me/news"')) == "the second"
    assert python(code.format(f'"me/news", revision="{first}"')) == "the first"
    assert python(code.format(f'"me/news@{first}"')) == "the first"
    assert python(code.format(f'"me/news", "{first}", local_files_only=True')) == "the first"


def test_a_job_pins_the_commit(hub, python, student_files, tmp_path):
    first = hub.commit("me/news", student_files)
    code = "from kdner.runs.hub import pinned; print(pinned({!r}, ['config.json']))"
    assert python(code.format("me/news")) == python(code.format(f"me/news@{first}")) == f"me/news@{first}"
    assert python(code.format("news")) == str(tmp_path / "news")


def test_a_folder_wins_over_a_name_on_the_hub(hub, python, student_files, tmp_path):
    hub.commit("me/news", {**student_files, "README.md": b"of the hub"})
    (tmp_path / "me").mkdir()
    (tmp_path / "news").rename(tmp_path / "me" / "news")
    (tmp_path / "me" / "news" / "README.md").write_text("of the folder")
    assert python('print(Student.from_pretrained("me/news").card)') == "of the folder"
    assert not hub.fetched


def test_what_the_hub_lacks_is_named(hub, python, student_files):
    hub.commit("me/news", {name: content for name, content in student_files.items() if name != "vocabulary.json"})
    said = python('Student.from_pretrained("me/nwes")')
    assert "me/nwes: no such folder, and the hub gives nothing of this name" in said and "RepositoryNotFound" in said
    said = python('Student.from_pretrained("me/news", revision="v9")')
    assert "revision 'v9'" in said and "RevisionNotFound" in said
    assert "it has no vocabulary.json" in python('Student.from_pretrained("me/news")')


def test_without_a_network_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # tests are offline
    with pytest.raises(InputError, match=r"runs/student: no such folder, and the hub gives nothing .* hf auth login"):
        Student.from_pretrained("runs/student", cache_dir=tmp_path)


@pytest.mark.parametrize("name", ["student", "a/b/c", "/no/such", "./runs/student", Path("me/news")])
def test_what_can_only_be_a_folder_is_never_asked_of_the_hub(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no such folder; give one, or a model of the hub as OWNER/MODEL"):
        Student.from_pretrained(name)


def test_a_folder_has_no_revision(tmp_path):
    with pytest.raises(InputError, match="revision 'v1' is for a model of a hub"):
        model_folder(tmp_path, MODEL_FILES, revision="v1")


def test_a_student_that_was_put_on_the_hub_comes_back(hub, python, student_files, tmp_path):
    code = f"""student = Student.from_pretrained({str(tmp_path / "news")!r})
print(student.push_to_hub("me/news", license="cc-by-4.0", language="en", token="hf_given"))
print(Student.from_pretrained("me/news").tag("Anna flew to Paris.") == student.tag("Anna flew to Paris."))"""
    address, same = python(code).splitlines()
    assert address.startswith(f"{hub.address}/me/news/commit/") and same == "True"
    files = hub.latest("me/news")
    assert set(files) == {*MODEL_FILES, "README.md"}
    assert all(files[name] == student_files[name] for name in MODEL_FILES)
    card = ModelCard(files["README.md"].decode())
    assert (card.data.license, card.data.language, card.data.library_name) == ("cc-by-4.0", "en", "kdner")
    assert 'from_pretrained("me/news")' in card.text and "Licence: cc-by-4.0." in card.text
    assert hub.tokens == {"Bearer hf_given", None}


def test_a_teacher_is_put_on_the_hub_without_what_is_the_runs_own(hub, python, teacher_folder, tmp_path):
    folder = tmp_path / "teacher"
    folder.mkdir()
    for path in Path(teacher_folder).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    own = ("_manifest.json", "_summary.json", "manifest.json", "summary.json")
    for name in (*own, ".checkpoints/step.safetensors", "tensorboard/events.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    with pytest.raises(InputError, match=r"no model directory with a card \(README.md\)"):
        push_folder(folder, "me/teacher")
    (folder / "README.md").write_text("---\nlibrary_name: transformers\n---\n# teacher\n")
    python(f"from kdner.runs.hub import push_folder\npush_folder({str(folder)!r}, 'me/teacher', license='mit')")
    files = hub.latest("me/teacher")
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(files)
    assert not {name for name in files if name in own or name.startswith((".", "tensorboard"))}
    assert b"license: mit" in files["README.md"]


def test_a_refusal_of_the_hub_is_one_line(hub, python, student_files, tmp_path):
    said = python(f'Student.from_pretrained({str(tmp_path / "news")!r}).push_to_hub("not a name")')
    assert "not a name: the hub did not take" in said and "hf auth login" in said


def test_a_newer_format_is_refused_by_name(student_files, tmp_path):
    path = tmp_path / "news" / "config.json"
    config = json.loads(path.read_text())
    assert config["format_version"] == 1 and config["kdner"]
    path.write_text(json.dumps({**config, "format_version": 3, "kdner": "9.1", "of_the_future": 1}))
    with pytest.raises(InputError, match=r"format version 3, written by kdner 9\.1; .* reads up to 2.* pip install -U"):
        Student.from_pretrained(tmp_path / "news")
    del config["format_version"], config["kdner"]
    path.write_text(json.dumps(config))
    assert Student.from_pretrained(tmp_path / "news").labels == config["labels"]


def test_the_model_of_an_unfinished_run_is_refused(tmp_path):
    run = RunDirectory.open(str(tmp_path), {}, {"files": ["config.json"]})
    run.write_json("config.json", {})
    for folder in (model_folder, encoder.model_folder):
        with pytest.raises(InputError, match="this run is unfinished"):
            folder(str(tmp_path), *([()] if folder is model_folder else []))
    run.finish({})
    assert model_folder(str(tmp_path), ()) == encoder.model_folder(str(tmp_path)) == tmp_path
