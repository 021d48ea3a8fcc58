"""From a document to sentences and words: the rules (`words`), and the same for many documents at once (`splitter`).

`abbreviations` are those of each language, `long_sentences` tells where these are cut, `chunks` what a splitter keeps.
`documents` applies a function to many texts so that one that fails costs itself alone; `given` checks what users give
to be read. May import the root of `kdner` only; every other room may import this one.
"""
