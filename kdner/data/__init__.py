"""What users bring: labeled sets, read into `labeled_sentence.LabeledSentence`, and corpora, planned as shards.

May import `kdner.text`, `kdner.labels` and `kdner.runs`.
"""
