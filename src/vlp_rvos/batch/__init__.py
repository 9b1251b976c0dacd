"""Many videos at once: a manifest in, shards of results out, on one machine or many."""
