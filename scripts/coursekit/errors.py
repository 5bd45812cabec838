"""Errors that a person can act on, and the exit codes of the command."""

from __future__ import annotations

ALL_PASS = 0  # everything asked for passes
MENDABLE = 1  # something a learner can fix
USAGE = 2  # the command line is wrong
MACHINE = 3  # the machine lacks something
INTERRUPTED = 130


class CourseError(Exception):
    """Ends the command with one clear message: what happened, why, what to do next."""

    def __init__(self, message: str, exit_code: int = MENDABLE, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.detail = detail  # shown below the message as it is, for instance a tool's output
