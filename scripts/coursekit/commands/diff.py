"""course diff: your code beside the reference."""

from __future__ import annotations

import shutil
import sys

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths
from coursekit.course.catalog import Catalog, Exercise
from coursekit.course.paths import Checkout
from coursekit.errors import MENDABLE, CourseError
from coursekit.telling.text import Line


@click.command(short_help="Your code beside the reference, once it passes.")
@click.argument("name", metavar="ID")
@click.option("--spoil", is_flag=True, help="Show the reference although yours does not pass yet.")
@click.option("--no-pager", is_flag=True, help="Print it at once, however long it is.")
def command(name: str, spoil: bool, no_pager: bool) -> int:
    """Your code beside the reference, once it passes.

    ID is an exercise (1.6, or its name block_on). Two columns on a terminal of 120 columns or more.
    """
    from coursekit.course import place

    checkout = paths.find_checkout()
    catalog = catalogs.load(checkout.root)
    exercise = catalog.exercise(name)
    for file in exercise.files:
        if not catalog.solution_file(exercise, file).is_file():
            raise CourseError(
                f"This copy of the course has no reference for {exercise.id} ({exercise.slug}). "
                "Whoever handed it out may hand that out later."
            )
    if not spoil and not place.passed_once(checkout, exercise):
        raise CourseError(
            f"{exercise.id} ({exercise.slug}) has not passed yet, so the reference stays closed. "
            f"`scripts/course check {exercise.id}` tries yours, `scripts/course hint {exercise.id}` helps, and "
            f"`scripts/course diff {exercise.id} --spoil` opens it all the same.",
            MENDABLE,
        )
    show(compare(checkout, catalog, exercise, _width()), page=not no_pager)
    return 0


def _width() -> int:
    """All of the terminal: two pages of code need more room than prose."""
    from coursekit.telling import text

    if not sys.stdout.isatty():
        return text.PLAIN_WIDTH
    return max(40, shutil.get_terminal_size((text.PLAIN_WIDTH, 24)).columns)


def compare(checkout: Checkout, catalog: Catalog, exercise: Exercise, width: int) -> list[Line]:
    """One file after the other."""
    from coursekit.course import sources
    from coursekit.telling import diffs
    from coursekit.telling.text import Span, line, prose

    out: list[Line] = []
    for file in exercise.files:
        path = catalog.learner_file(exercise, file)
        shown = checkout.relative(path)
        if reason := sources.problem(path, shown, exercise.id):
            raise CourseError(reason)
        mine = sources.read(path)
        reference = diffs.reference_text(catalog.solution_file(exercise, file).read_text("utf-8"))
        if diffs.same(mine, reference):
            out.append(line(f"{shown} is the reference, word for word."))
            continue
        out.append(line(Span(shown, "bold")))
        if width < diffs.SIDE_BY_SIDE:
            out.append(line(Span("- yours", "red"), "   ", Span("+ reference", "green")))
        out += diffs.lines(mine, reference, width)
    notes = catalog.root / "solutions" / exercise.module / "NOTES.md"
    if notes.is_file():
        out.append(line(""))
        out += prose(
            f"{checkout.relative(notes)} says why the reference is as it is.", min(width, 100)
        )
    return out


def show(lines: list[Line], *, page: bool) -> None:
    from coursekit.telling import text

    if page and sys.stdout.isatty() and len(lines) >= shutil.get_terminal_size().lines:
        from coursekit.telling import markdown

        if markdown.paged(markdown.coloured(lines, colour=text.wants_colour(sys.stdout))):
            return
    text.write(lines)
