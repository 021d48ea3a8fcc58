"""Labeled sets: read from any format into `sentence.LabeledSentence`, with remarks on what was odd.

Start with `sets`. May import the rooms before it: `kdner.text`, `kdner.labels`, `kdner.runs` and `kdner.data`.
"""
