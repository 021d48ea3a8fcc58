from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import kdner
from kdner.command import main
from kdner.text.words import split_words


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["kdner", *arguments])
    main()


@pytest.fixture
def student(make_student, tmp_path):
    make_student().save(tmp_path)
    return str(tmp_path)


def test_it_lists_what_it_does(monkeypatch, capsys):
    run(monkeypatch)
    shown = capsys.readouterr().out
    assert "tag-corpus  " in shown and "Tag a corpus with a student." in shown and "  tag  " in shown


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["pipline"], "kdner has no 'pipline'; perhaps you meant pipeline;"),
        (["tag", "--student", "nowhere", "Ada left."], "nowhere: no such folder; give one, or a model of the hub"),
    ],
)
def test_slips_end_with_a_line_and_exit_code_2(monkeypatch, capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, *arguments)
    assert end.value.code == 2 and message in capsys.readouterr().err


def test_a_missing_package_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    for module in [name for name in sys.modules if name.startswith(("kdner.on_ray", "kdner.jobs"))]:
        monkeypatch.delitem(sys.modules, module)
    for package in {"on_ray", "jobs"} & set(vars(kdner)):
        monkeypatch.delattr(kdner, package)  # which is set again, to those that later tests know
    with pytest.raises(SystemExit):
        run(monkeypatch, "tag-corpus", "--help")
    assert "ray is not installed. Run: pip install 'kdner[ray]'" in capsys.readouterr().err


def test_tagging_prints_each_text_with_its_entities(monkeypatch, capsys, student):
    run(monkeypatch, "tag", "--student", student, "--json", "Ada left Paris.", "")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["text"] == "Ada left Paris." and second == {"text": "", "entities": []}
    assert all(first["text"][e["start"] : e["end"]] == e["text"] and 0 < e["score"] <= 1 for e in first["entities"])
    run(monkeypatch, "tag", "--student", student, "Ada left Paris.")
    shown = capsys.readouterr().out
    labels = {e["label"] for e in first["entities"]}
    assert [w for w in split_words(shown).words if w not in {"[", "]", *labels}] == ["Ada", "left", "Paris", "."]
    assert shown.count("[") == len(first["entities"]) and "\x1b" not in shown


def test_lines_of_standard_input_and_a_reader_that_stops_early(student):
    command = f"yes 'Ada left Paris.' | head -5000 | {sys.executable} -m kdner tag --student {student} --json | head -2"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert [json.loads(line)["text"] for line in ran.stdout.splitlines()] == ["Ada left Paris."] * 2
    assert not ran.stderr


def test_each_line_is_tagged_when_it_comes(student):
    command = [sys.executable, "-m", "kdner", "tag", "--student", student, "--json", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tagging:
        for text in ("Ada left Paris.", "", "Bob"):
            tagging.stdin.write(f"{text}\n")
            tagging.stdin.flush()
            assert json.loads(tagging.stdout.readline())["text"] == text
        tagging.stdin.close()


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_bytes_that_are_no_text_and_characters_that_cannot_be_shown_end_nothing(student, encoding):
    command = [sys.executable, "-m", "kdner", "tag", "--student", student, "--json"]
    how = {"env": {**os.environ, "PYTHONIOENCODING": encoding}, "capture_output": True, "check": True}
    lines = subprocess.run(command, input=b"Ada \xff left\r\nZo\xc3\xab left", **how).stdout.splitlines()
    argument = subprocess.run([*command, b"Ada \xff left"], **how).stdout
    texts = [json.loads(line)["text"] for line in (*lines, argument)]
    assert texts == ["Ada \ufffd left", "Zo\xeb left", "Ada \ufffd left"]


def test_the_help_of_a_job_has_its_name_and_may_be_read_in_part():
    command = f"{sys.executable} -m kdner low_resource --help | head -1"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert ran.stdout == "usage: kdner low-resource [-h] [OPTIONS]\n" and not ran.stderr


def test_tagging_at_once_loads_neither_pytorch_nor_ray_nor_transformers(student):
    script = (
        "import sys; from kdner import Student; "
        f"Student.from_pretrained({student!r}).tag('Ada left Paris.'); print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"torch", "ray", "transformers", "tyro", "pandas", "datasets", "scipy"} & set(ran.stdout.split())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "cp1252"])
def test_standard_input_of_another_encoding(student, encoding):
    command = [sys.executable, "-m", "kdner", "tag", "--student", student]
    if encoding == "cp1252":
        command += ["--encoding", encoding]
    given = "Ada left Zürich.\nTom won.\n"
    ran = subprocess.run(command, input=given.encode(encoding), capture_output=True, check=True)
    assert ran.stdout.decode().replace("[", "").splitlines()[0].startswith("Ada") and not ran.stderr
    assert "Zürich" in ran.stdout.decode() and "\ufffd" not in ran.stdout.decode()


def test_bytes_that_are_no_text_are_told(student):
    command = [sys.executable, "-m", "kdner", "tag", "--student", student]
    ran = subprocess.run(command, input="Zürich\n".encode("cp1252"), capture_output=True, check=True)
    assert b"name its encoding with --encoding" in ran.stderr and ran.stderr.count(b"\n") == 1
    ran = subprocess.run([*command, "-", "Ada"], capture_output=True, check=False)
    assert ran.returncode == 2 and b"-: stands for standard input, and alone" in ran.stderr
