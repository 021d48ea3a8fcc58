"""What a job leaves behind: the run directory, its lock, schemas, fingerprints, provenance, and storage beneath it all.

May import the root of `kdner` only.
"""
