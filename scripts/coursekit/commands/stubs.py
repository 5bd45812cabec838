"""course stubs: derives what the learner starts from out of the reference."""

from __future__ import annotations

import sys

import click

from coursekit.course import paths
from coursekit.errors import MENDABLE, USAGE, CourseError


@click.command(short_help="Maintainers: derive the stubs from the solutions.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; name each difference.")
def command(only_check: bool) -> int:
    """Maintainers: derive the stubs from the solutions.

    A file that is replaced is kept in .course/backups.
    """
    from coursekit.course import stubs

    checkout = paths.find_checkout()
    if not checkout.has_solutions:
        raise CourseError("This copy of the course has no solutions to derive stubs from.", USAGE)
    if not only_check:
        written = stubs.write_all(checkout.root)
        for path in written:
            click.echo(f"wrote {checkout.relative(path)}")
        if not written:
            click.echo("Every stub is what its solution says.")
        return 0
    differences = stubs.check_all(checkout.root)
    for difference in differences:
        click.echo(f"{difference.file}: {difference.what}", err=True)
        sys.stderr.write(difference.diff)
    if differences:
        click.echo("Edit the solution, then `scripts/course stubs` writes its stub.", err=True)
        return MENDABLE
    click.echo("Every stub is what its solution says.")
    return 0
