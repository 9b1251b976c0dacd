"""Pretraining of the `mini` backbone: its patches learn to share one space with words."""
