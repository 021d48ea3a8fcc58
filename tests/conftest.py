from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = os.environ.get("KDNER_DATA")
    if not folder:
        pytest.skip("KDNER_DATA names no folder of real data")
    return Path(folder)
