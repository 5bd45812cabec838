"""What the course consists of: its exercises, lessons, stubs and mutants, and what is remembered of a learner."""
