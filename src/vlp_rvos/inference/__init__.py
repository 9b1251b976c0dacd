"""Run a model on whole videos and on live sources."""
