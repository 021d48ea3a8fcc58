"""From a document to sentences and words: the rules (`words`), and the same for many documents at once (`splitter`).

`documents` applies a function to many texts so that one that fails costs itself alone. May import the root of `kdner`
only; every other room may import this one.
"""
