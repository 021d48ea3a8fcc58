from __future__ import annotations

import sys

import pytest

import kdner.on_ray.job


@pytest.fixture
def run_job(monkeypatch):
    """Run a job's script in this process: its config and its entry point, with these flags."""

    def run_job(config, job, *flags):
        monkeypatch.setattr(sys, "argv", ["job.py", *map(str, flags)])
        kdner.on_ray.job.run_job(config, job)

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
