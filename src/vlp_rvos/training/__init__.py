"""Training: one run from a configuration, and tables of runs with one part of the method changed at a time."""
