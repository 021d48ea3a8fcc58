"""From a document to sentences and words: the rules (`words`), and the same for many documents at once (`splitter`).

May import `kdner.errors`; every other room may import this one.
"""
