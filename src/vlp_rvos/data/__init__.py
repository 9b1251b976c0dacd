"""Readers of training and test data."""
