"""Teachers: fine-tuned encoders, feature-based taggers, and whatever else has logits (`by_name`).

May import `kdner.student` and what that may, and `kdner.data`.
"""
