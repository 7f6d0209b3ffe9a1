"""Embeddings over training: snapshots, maps, the player."""
