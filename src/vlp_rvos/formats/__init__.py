"""Results and labelled data in the formats of other tools: writers, and readers of the reverse direction."""
