"""From a document to sentences and words: the rules (`words`), and the same for many documents at once (`splitter`).

May import the root of `kdner` only; every other room may import this one.
"""
