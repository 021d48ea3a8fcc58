"""Training: the student from labels and logits, and teachers that are not ready-made.

May import `kdner.measuring.f1`, `kdner.teacher` and what that may.
"""
