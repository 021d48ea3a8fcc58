"""What other tools see of kdner: a component of spaCy pipelines, and documents with entities in their formats.

`spacy_pipe` is the component. `annotated` makes documents with entities of what a student found, of teachers' logits
and of labeled sets; `formats` lists what they can be written as. May import the rooms before it: `kdner.text`,
`kdner.labels`, `kdner.runs`, `kdner.data` and `kdner.student`.
"""
