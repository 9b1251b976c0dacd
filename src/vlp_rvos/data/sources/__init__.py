"""Readers of pictures and videos with masks in general layouts."""
