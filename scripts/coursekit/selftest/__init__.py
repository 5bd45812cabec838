"""`course selftest`: proves that the course is what it says it is.

Each part is a function that takes a Bench and yields one Outcome for each thing it has proved or
found wrong. plan.py puts the parts in order; the click face is in commands/selftest.py.
"""
