"""Scores of predicted masks, by the protocol of each published benchmark."""
