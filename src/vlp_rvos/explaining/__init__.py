"""Why a mask was painted, or why none was: what the model computes on the way, as numbers and as pictures."""
