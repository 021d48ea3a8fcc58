"""Training: the student from labels and logits, and teachers that are not ready-made.

May import the rooms before it: `kdner.measuring` and `kdner.teacher`, and what these may.
"""
