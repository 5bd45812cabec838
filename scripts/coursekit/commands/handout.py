"""course handout: what an instructor gives a class."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths
from coursekit.errors import ALL_PASS, USAGE, CourseError


@click.command(short_help="Instructors: a copy for a class, without solutions.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--through", metavar="MODULE", help="The last module to hand out, for instance module1."
)
@click.option(
    "--with-solutions",
    metavar="MODULE",
    multiple=True,
    help="Give the reference of a finished module. May be repeated.",
)
def command(folder: Path, through: str | None, with_solutions: tuple[str, ...]) -> int:
    """Instructors: a copy for a class, without solutions.

    Lessons, untouched stubs, tests and tools; no solutions, mutants or hidden tests. Links to what is
    left out become plain text. DIR must be empty, or not exist yet.
    """
    from coursekit.course import folders, handouts
    from coursekit.telling import text
    from coursekit.telling.text import Line, Span, line, prose

    checkout = paths.find_checkout()
    catalog = catalogs.load(checkout.root)
    if not checkout.has_solutions:
        raise CourseError(
            "A handout is made from the whole course, and this copy has no solutions to derive stubs from.",
            USAGE,
        )
    target = folders.new_folder(checkout, folder)
    last = _module_name(through) if through else None
    plan = handouts.planned(
        checkout, catalog, last, [_module_name(name) for name in with_solutions]
    )
    made = handouts.make(checkout, catalog, plan, target)

    width = text.width_of(sys.stdout)
    exercises = sum(len(module.exercises) for module in plan.modules)
    first = plan.modules[0].exercises[0].id
    solutions = (
        f"solutions of {', '.join(m.name for m in plan.with_solutions)} only"
        if plan.with_solutions
        else "no solutions"
    )
    modules = ", ".join(module.name for module in plan.modules)
    out: list[Line] = prose(
        f"Wrote {made.folder}: {modules}; {exercises} exercises, {solutions}.", width
    )
    if made.unlinked:
        where = ", ".join(f"{name} ({count})" for name, count in made.unlinked)
        out += prose(f"Links to what is left out became plain text: {where}.", width)
    if plan.left_out:
        shown = ", ".join(plan.left_out[:3]) + (
            f" and {len(plan.left_out) - 3} more" if len(plan.left_out) > 3 else ""
        )
        out += prose(
            f"Left out, because git does not know it: {shown}. `git add` what belongs to the course.",
            width,
            "",
            "yellow",
        )
    out += [
        line(""),
        line("Next:"),
        line("  ", Span(f"cd {shlex.quote(str(made.folder))}", "bold")),
        line(
            "  ",
            Span("scripts/course check", "bold"),
            f"    # says that {first} is not written yet",
        ),
        line("  ", Span("git init && git add . && git commit -m 'The course'", "bold")),
        line(""),
    ]
    out += prose(
        "Give it to the class as a repository, so that `course reset` finds the stubs there, or as an archive.",
        width,
    )
    text.write(out)
    return ALL_PASS


def _module_name(name: str) -> str:
    return f"module{name}" if name.isdigit() else name
