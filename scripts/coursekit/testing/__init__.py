"""Running tests, and what became of each."""
