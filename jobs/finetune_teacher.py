"""Fine-tune a teacher on a labeled set.

Reads   a labeled set: CoNLL columns, JSONL with spans, or hf:NAME[:SPLIT]; an encoder: minilm, a model directory or a hub name
Writes  a Hugging Face model directory (safetensors) that is also a run directory
Needs   one GPU where the cluster has one, else the cores of one node

    python jobs/finetune_teacher.py --labeled eng.train --labeled-size 750 --teacher minilm --out runs/teacher
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kdner.job import announce, on_one_node, on_terminal, run
from kdner.labeled import fingerprint_of_labeled, read_drawn
from kdner.rundir import RunDirectory
from kdner.steps import write_teacher
from kdner.teacher import MODEL_FILES, FineTuning
