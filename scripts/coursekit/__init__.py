"""The Python half of `scripts/course`: what the course holds, how it is built, checked and graded."""
