"""Teachers: fine-tuned encoders (`model`), feature-based taggers, and whatever else has logits (`by_name`).

From words to pieces is `pieces`; an encoder reads them in `padded_batches` or, where there is a GPU, in `packed_rows`.
May import the rooms before it: all from `kdner.text` to `kdner.student`.
"""
