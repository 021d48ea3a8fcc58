"""What other tools see of kdner: a component of spaCy pipelines, and documents with entities in their formats.

`spacy_pipe` is the component; `data_frames` tags a column of pandas. `annotated` makes documents with entities of
texts, of what a student found in a corpus, of teachers' logits and of labeled sets; `formats` lists what they can be
written as. May import the rooms before it: `kdner.text`, `kdner.labels`, `kdner.runs`, `kdner.data` and
`kdner.student`.
"""
