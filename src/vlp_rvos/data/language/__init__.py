"""How expressions are made: vocabulary, phrasing, paraphrase and what is true of an object."""
