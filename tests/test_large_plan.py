"""The measurement of very large plans, small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("large_plan.py")


@pytest.mark.benchmarks
def test_plan_start_and_resume_are_measured(tmp_path):
    flags = ["--files", "2000", "--dispatched", "20", "--folder", tmp_path]
    ran = subprocess.run([sys.executable, SCRIPT, *flags], capture_output=True, text=True, check=True)
    phases = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    assert [phase.get("tasks") for phase in phases] == [4000, 4000, 400, None, None, None]
    assert all(phase["peak_memory_mb"] < 2000 for phase in phases[:4])
