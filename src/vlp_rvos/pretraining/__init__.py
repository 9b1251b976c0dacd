"""Pretraining of the `mini` backbone: its vision tower learns to map patches into the space of its text tower."""
