"""Corpora: which files they are, what a document is in each format, and the plan of their shards.

Start with `plan`. May import the rooms before it: `kdner.text`, `kdner.labels`, `kdner.runs` and `kdner.data`.
"""
