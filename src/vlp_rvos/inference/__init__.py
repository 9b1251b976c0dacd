"""A model applied to whole videos and live sources."""
