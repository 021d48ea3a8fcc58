"""What is read alike whatever it is: files of text, their encodings, datasets by name; and the embedded example.

May import the rooms before it: `kdner.text`, `kdner.labels` and `kdner.runs`.
"""
