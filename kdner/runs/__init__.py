"""What a job leaves behind: the run directory, its lock, schemas, fingerprints and provenance; storage under all of it.

May import the root of `kdner` only, neither `kdner.text` nor `kdner.labels`.
"""
