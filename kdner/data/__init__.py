"""What users bring: labeled sets, read into `labeled_sentence.LabeledSentence`, and corpora, planned as shards.

`quickstart` writes the default of both. May import the rooms before it: `kdner.text`, `kdner.labels` and `kdner.runs`.
"""
