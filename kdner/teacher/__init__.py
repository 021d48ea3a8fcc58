"""Teachers: fine-tuned encoders, feature-based taggers, and whatever else has logits (`by_name`).

May import the rooms before it: `kdner.text`, `kdner.labels`, `kdner.runs`, `kdner.data` and `kdner.student`.
"""
