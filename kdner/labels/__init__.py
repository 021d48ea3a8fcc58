"""Labels: tag schemes and label lists (`tags`), the best legal sequence (`decoding`), and inference for a CRF (`crf`).

`packing` is the order in which sentences of any lengths are read together. May import the root of `kdner` only.
"""
