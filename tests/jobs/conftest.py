from __future__ import annotations

import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdner.job import run


@pytest.fixture
def run_job(monkeypatch):
    """Run a job's script in this process: its config and its entry point, with these flags."""

    def run_job(config, job, *flags):
        monkeypatch.setattr(sys, "argv", ["job.py", *map(str, flags)])
        run(config, job)

    return run_job


@pytest.fixture
def refused(run_job, capsys):
    """Run a job that must end with exit code 2 and no traceback; return its message."""

    def refused(*arguments):
        with pytest.raises(SystemExit) as ended:
            run_job(*arguments)
        assert ended.value.code == 2
        message = capsys.readouterr().err
        assert "Traceback" not in message
        return message

    return refused


def write_columns(path, sentences):
    rows = [
        "\n".join(f"{s.text[a:b]}\t{t}" for a, b, t in zip(s.starts, s.ends, s.tags, strict=True)) for s in sentences
    ]
    path.write_text("\n\n".join(rows) + "\n", "utf-8")
    return str(path)


@pytest.fixture(scope="session")
def train_file(tmp_path_factory, toy):
    return write_columns(tmp_path_factory.mktemp("labeled") / "train.conll", toy)


@pytest.fixture(scope="session")
def test_file(tmp_path_factory, toy):
    return write_columns(tmp_path_factory.mktemp("labeled") / "test.conll", toy[::5])


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory, toy):
    """A Parquet file of 61 documents, one of them null, one empty."""
    texts = [f"{s.text}\n{toy[(7 * k) % len(toy)].text}" for k, s in enumerate([*toy, *toy[:11]])]
    texts += [None, " "]
    path = tmp_path_factory.mktemp("corpus") / "corpus.parquet"
    pq.write_table(pa.table({"id": [f"d{i}" for i in range(len(texts))], "text": texts}), path)
    return str(path)
