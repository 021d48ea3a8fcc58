"""Pages to look at: an HTML file each, of an evaluation, of a pipeline, of a tagged corpus.

Start with `page`, which escapes whatever it is given. May import the rooms before it, up to `kdner.measuring`.
"""
