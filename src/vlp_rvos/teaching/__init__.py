"""Teaches a model things of the user's own, from a few labelled frames."""
