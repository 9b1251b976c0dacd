"""Learning (`docs/method.md` section 5): losses, the typed configuration and the trainer."""
