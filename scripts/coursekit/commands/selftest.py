"""course selftest: prove the course."""

from __future__ import annotations

import time

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths
from coursekit.errors import ALL_PASS, MENDABLE, USAGE, CourseError


@click.command(
    short_help="Prove the course: solutions pass, stubs do not, mutants die (maintainers)."
)
@click.argument("parts", nargs=-1, metavar="[PART]...")
@click.option(
    "--only",
    multiple=True,
    metavar="ID",
    help="Prove this exercise or module and no other. May be given again.",
)
@click.option(
    "--soak",
    type=click.IntRange(min=1),
    metavar="N",
    help="Run every test N times, all CPUs loaded.",
)
@click.option("--whole", is_flag=True, help="Prove also what a plain run leaves out: see --list.")
@click.option("--again", is_flag=True, help="Prove also what has not changed since it was proved.")
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=100,
    metavar="N",
    help="With `threads`: so many rounds of real threads.",
)
@click.option(
    "--sentences",
    is_flag=True,
    help="With `contracts`: list every sentence, and what breaks it.",
)
@click.option("--list", "list_parts", is_flag=True, help="Name the parts and what each proves.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Compile this many files at a time.")
def command(
    parts: tuple[str, ...],
    only: tuple[str, ...],
    soak: int | None,
    whole: bool,
    again: bool,
    rounds: int,
    sentences: bool,
    list_parts: bool,
    jobs: int | None,
) -> int:
    """Prove the course, or the PARTs of it that are named.

    Ends with a line `N passed, N failed`; exit code 0 when nothing failed.
    """
    from coursekit.building import build
    from coursekit.selftest import plan
    from coursekit.selftest.memory import Memory
    from coursekit.selftest.outcome import Bench
    from coursekit.telling import ui

    if list_parts:
        for part in plan.PARTS:
            click.echo(f"{part.name:<11} {part.proves}")
        click.echo("and with --whole:")
        for part in plan.MORE:
            click.echo(f"{part.name:<11} {part.proves}")
        return ALL_PASS
    checkout = paths.find_checkout()
    if not checkout.has_solutions:
        raise CourseError(
            "This copy of the course has no solutions, so there is nothing to prove.", USAGE
        )
    chosen = plan.choose(parts, soak or 0, whole)
    catalog = catalogs.load(checkout.root)
    exercises = catalog.select(only or ("all",))
    started = time.monotonic()
    with ui.interface() as interface:
        bench = Bench(
            checkout,
            catalog,
            exercises,
            interface,
            jobs or build.default_jobs(),
            click.echo,
            rounds,
            sentences,
        )
        # A part that was proved of some exercises is not proved.
        memory = None if only else Memory(checkout)
        totals = plan.run(bench, chosen, memory, again=again)
    for problem in totals.problems:
        click.echo(f"FAILED   {problem}")
    if said := plan.left_out(chosen):
        click.echo(said)
    click.echo(f"The self-test took {time.monotonic() - started:.0f} s.")
    click.echo(totals.closing_line())
    return MENDABLE if totals.failed else ALL_PASS
