"""Tools that know nothing of models or videos."""
