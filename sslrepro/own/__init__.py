"""A folder of a reader's own images: an encoder trained on it, and what can be done with the encoder.

`fit` trains into a folder `photos.ssl/`; a `OwnRun` is such a folder, opened: it embeds new images, finds neighbours,
duplicates, draws a map and exports the encoder. Labels are neither needed nor invented.
"""
