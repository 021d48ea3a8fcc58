"""The model card that lies beside a student."""

from __future__ import annotations

from typing import Any

from huggingface_hub import ModelCardData

from kdner import __version__


def model_card(name: str, summary: dict[str, Any], student: dict[str, Any], recipe: dict[str, Any]) -> str:
    """Write a student's README.md: what it is, how it was made, how to use it.

    Args:
        name: the student's name.
        summary: of distill_student.
        student: its shape.
        recipe: how it was distilled.
    """
    types = sorted({label[2:] for label in summary["labels"] if label != "O"})
    quality = (
        f"F1 {summary['development_f1']:.4f} (strict IOB2, micro) on {summary['development_sentences']} development "
        f"sentences, by which epoch {summary['best_epoch']} was chosen"
        if summary["development_f1"] is not None
        else "not measured: no development sentences"
    )
    settings = "\n".join(f"| {key} | {value} |" for key, value in {**student, **recipe}.items())
    front_matter = ModelCardData(
        library_name="kdner",
        pipeline_tag="token-classification",
        tags=["named-entity-recognition", "distillation", "lstm"],
    )
    return f"""---
{front_matter.to_yaml()}
---

# {name}

An LSTM-CNN named-entity tagger made by kdner {__version__}.

- Entities: {", ".join(types)}
- Parameters: {summary["parameters"]:,}; vocabulary: {summary["vocabulary_words"]:,} words
- Learned from {summary["labeled_sentences"]:,} labeled sentences and {summary["transfer_words"]:,} words with logits
- Quality: {quality}

```python
from kdner.student import Student

for entity in Student.from_pretrained("PATH/{name}").tag("Angela Merkel flew to Paris."):
    print(entity.start, entity.end, entity.label, entity.text, entity.score)
```

Offsets count Unicode code points, end exclusive. It knows the kind of text that it was trained on; test it on yours.

| setting | value |
|---|---|
{settings}
"""
