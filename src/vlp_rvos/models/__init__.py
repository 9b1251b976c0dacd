"""The method, part by part; `docs/method.md` says what each part is."""
