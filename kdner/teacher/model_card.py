"""The model card that lies beside a teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdner import __version__
from kdner.errors import InputError
from kdner.runs.hub import NO_LICENSE
from kdner.runs.run_directory import RunDirectory
from kdner.student.model_card import Origin, entity_types, front_matter, limits, settings_table
from kdner.teacher.by_name import encoder_of

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
"""The name on the hub of what the package behind `minilm` holds."""


def teacher_card(
    name: str,
    origin: Origin,
    *,
    labels: Sequence[str],
    sentences: int,
    parameters: int,
    feature_based: bool,
    recipe: Mapping[str, Any],
) -> str:
    """Write a teacher's README.md.

    Args:
        name: the teacher's.
        origin: what it was made of.
        labels: its label list.
        sentences: of the labeled set that it learned from.
        parameters: how many it has.
        feature_based: whether it is an LSTM-CNN over a frozen encoder.
        recipe: how it was fine-tuned.
    """
    base = ", ".join(origin.base_models) or "an encoder of a local folder"
    kind = f"An LSTM-CNN over the vectors of {base}" if feature_based else f"{base}, fine-tuned"
    load = "kdner.teacher.by_name import load_model" if feature_based else "transformers import pipeline"
    call = (
        f'load_model("PATH/{name}").tags([["Your", "words", "."]])'
        if feature_based
        else f'pipeline("token-classification", "PATH/{name}", aggregation_strategy="simple")("Your text.")'
    )
    parts = [
        front_matter(origin, library="kdner" if feature_based else "transformers", tags=["kdner"], name=name),
        f"# {name}",
        f"{kind} for named entities by kdner {__version__}, as a teacher of small students.",
        f"- Entities: {', '.join(entity_types(labels))}\n"
        f"- Parameters: {parameters:,}\n"
        f"- Learned from {sentences:,} labeled sentences of {origin.labeled.removeprefix('hf:')}\n"
        "- Quality: not measured here; `jobs/evaluate.py` measures it on a test set",
        f"```python\nfrom {load}\n\nprint({call})\n```",
        limits("its labeled set"),
        NO_LICENSE,
        settings_table(recipe) if recipe else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def base_models(name: str) -> list[str]:
    """Return the name on the hub of the encoder that a teacher was made of, or will be; empty where it has none.

    Args:
        name: an encoder as `finetune_teacher` takes it, or the directory that this job made.
    """
    encoder = encoder_of(name)
    if encoder == "minilm":
        return [MINILM]
    if "://" not in encoder and not Path(encoder).exists():
        return [encoder.partition("@")[0]]
    try:
        made_of: str = RunDirectory.finished_at(encoder).summary()["provenance"]["configuration"]["teacher"]
    except (InputError, KeyError):
        return []  # a folder that no job of ours wrote
    return base_models(made_of) if encoder_of(made_of) != encoder else []
