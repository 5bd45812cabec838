"""course watch: check on every save."""

from __future__ import annotations

import os
import sys

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths
from coursekit.errors import ALL_PASS, USAGE, CourseError


@click.command(short_help="Check on every save; single keys for hint, next, lesson.")
@click.argument("name", required=False, metavar="[ID]")
def command(name: str | None) -> int:
    """Check on every save; single keys for hint, next, lesson.

    ID is an exercise (1.6, or its name block_on); without it, the next unfinished one.
    """
    from coursekit.course import place

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CourseError(
            "`watch` waits for keys and redraws its screen, so it needs a terminal for both. "
            "`scripts/course check` does the same once, anywhere.",
            USAGE,
        )
    checkout = paths.find_checkout()
    catalog = catalogs.load(checkout.root)
    exercise = place.chosen(checkout, catalog, name)

    from coursekit.telling.terminal import Terminal
    from coursekit.testing.watching import Session

    # What the shell would otherwise remember as the size, when the window has changed since.
    for variable in ("COLUMNS", "LINES"):
        os.environ.pop(variable, None)
    terminal = Terminal(sys.stdin.fileno())
    terminal.open()
    try:
        Session(checkout, catalog, exercise, terminal).run()
    finally:
        terminal.close()
    return ALL_PASS
