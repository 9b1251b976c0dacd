"""Scores of predicted masks: J and F as the DAVIS-2017 benchmark defines them."""
