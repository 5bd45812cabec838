"""course check: build and test."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths, progress
from coursekit.course.catalog import Catalog, Exercise
from coursekit.course.paths import Checkout
from coursekit.errors import ALL_PASS, MENDABLE, USAGE, CourseError

if TYPE_CHECKING:
    from coursekit.testing.check import Result


def selected(catalog: Catalog, names: tuple[str, ...]) -> tuple[Exercise, ...]:
    """As Catalog.select, and a bare number is a module too."""
    return catalog.select(f"module{name}" if name.isdigit() else name for name in names)


@click.command(short_help="Build and test the next unfinished exercise, or those named.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--solutions", is_flag=True, help="Check the reference instead of your code.")
@click.option(
    "--mine", is_flag=True, help="Stack on your own earlier exercises, not on the reference."
)
@click.option(
    "--sanitize", type=click.Choice(["address", "thread"]), help="Every test under this sanitizer."
)
@click.option(
    "--test",
    "-t",
    metavar="NAME",
    default="",
    help="Run only the tests with this in their names, and show each in full. Nothing is recorded.",
)
@click.option(
    "--no-bench", is_flag=True, help="With `all --mine`: a page without a measurement of its speed."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "--cxx",
    metavar="COMPILER",
    default="",
    help="Build with this compiler, in a folder of its own.",
)
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Compile this many files at a time.")
def command(
    ids: tuple[str, ...],
    solutions: bool,
    mine: bool,
    sanitize: str | None,
    test: str,
    no_bench: bool,
    as_json: bool,
    cxx: str,
    jobs: int | None,
) -> int:
    """Build and test the next unfinished exercise, or those named.

    ID is an exercise (1.6, or its name block_on), a module (module1, or 1), or all.
    `all --mine` also runs the demos and measures, and writes a page of what you have built.
    Exit code 0 means that everything asked for passes.
    """
    from coursekit.telling import report, text, ui
    from coursekit.testing import check

    if solutions and mine:
        raise CourseError(
            "--solutions checks the reference and --mine stacks on your code: choose one.", USAGE
        )
    wants_page = ids == ("all",) and mine and not (test or as_json)
    checkout = paths.find_checkout()
    catalog = catalogs.load(checkout.root)
    records = progress.load(checkout)
    if ids:
        exercises = selected(catalog, ids)
    elif solutions:
        exercises = catalog.exercises
    else:
        following = check.next_unfinished(catalog, records)
        exercises = (following,) if following else ()
    # Without solutions everything is the learner's own anyway, and built already.
    mine = mine and checkout.has_solutions
    options = check.Options(solutions, mine, sanitize or "", cxx, jobs, test)
    for _ in range(check.ROUNDS):
        with ui.interface(quiet=as_json) as interface:
            what = " ".join(["check", *ids])
            results = check.run(checkout, catalog, exercises, options, interface, what)
            # Without an id, on through what is written already, to the first that is not done.
            while not ids and options.counts and results and results[-1].state == "pass":
                passed = results[-1].exercise
                following = check.next_unfinished(catalog, progress.load(checkout), passed)
                is_next = following is not None and following not in exercises
                if following is None or not is_next or check.is_unwritten(catalog, following):
                    break
                exercises = (*exercises, following)
                results += check.run(checkout, catalog, [following], options, interface, what)
        if as_json:
            from coursekit.telling import jsonout

            said = json.dumps(jsonout.as_object(results), indent=1, ensure_ascii=False)
        else:
            look = report.Look(text.width_of(sys.stdout), text.unicode_of(sys.stdout))
            last = exercises[-1] if exercises else None
            next_one = check.next_unfinished(catalog, progress.load(checkout), last)
            lines = report.check_report(
                results, checkout, catalog, look, next_one, quiet_next=not options.counts
            )
        if not check.is_stale(checkout, results):  # saved while this was being worded
            break
    if as_json:
        print(said)
    else:
        text.write(lines)
    if wants_page and not _page(checkout, catalog, results, bench=not no_bench, jobs=jobs):
        return MENDABLE
    return ALL_PASS if all(result.state == "pass" for result in results) else MENDABLE


def _page(
    checkout: Checkout,
    catalog: Catalog,
    results: Sequence[Result],
    *,
    bench: bool,
    jobs: int | None,
) -> bool:
    """What the learner has built, on the terminal and as a file to keep. Whether all of it works."""
    from datetime import date

    from coursekit.telling import text, ui, whole
    from coursekit.testing.whole import gathered

    with ui.interface() as interface:
        built = gathered(checkout, catalog, results, interface, bench=bench, jobs=jobs)
    path = checkout.builds / "your-runtime.html"
    path.write_text(whole.html(built, date.today().isoformat()), "utf-8")
    width = text.width_of(sys.stdout)
    lines = [text.line(""), *whole.lines(built, width), text.line("")]
    lines += text.prose(
        f"To keep: {checkout.relative(path)}. `scripts/course export DIR --mine` makes a project of it.",
        width,
    )
    text.write(lines)
    return built.passes
