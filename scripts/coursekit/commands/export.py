"""course export: a runtime for programs outside of the course."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths
from coursekit.errors import ALL_PASS


@click.command(short_help="The runtime as a header-only CMake project of its own.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--mine", is_flag=True, help="Your runtime instead of the reference.")
def command(folder: Path, mine: bool) -> int:
    """The runtime as a header-only CMake project of its own.

    Headers, find_package(rt), an install rule, an example and tests; nothing of the course. DIR must
    be empty, or not exist yet. In a copy without solutions it is always your runtime. Exercises with a
    star may be missing.
    """
    from coursekit.course import exports, folders
    from coursekit.telling import text
    from coursekit.telling.text import Line, Span, line, prose

    checkout = paths.find_checkout()
    catalog = catalogs.load(checkout.root)
    target = folders.new_folder(checkout, folder)
    plan = exports.planned(checkout, catalog, mine or not checkout.has_solutions)
    exports.make(checkout, plan, target)

    whose = "your runtime" if plan.mine else "the reference's runtime"
    width = text.width_of(sys.stdout)
    out: list[Line] = prose(
        f"Wrote {target}: {whose}, {len(plan.headers)} headers of {plan.lines:,} lines.", width
    )
    if plan.left_out:
        ids = ", ".join(plan.left_out)
        out += prose(f"Not in it, since they are not written: {ids}, with a star each.", width)
    if plan.mine and not mine:
        out += prose("This copy of the course has no reference, so it is yours.", width)
    out += [
        line(""),
        line("Next:"),
        line("  ", Span(f"cd {shlex.quote(str(target))}", "bold")),
        line(
            "  ", Span("cmake -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build", "bold")
        ),
        line("  ", Span("ctest --test-dir build", "bold")),
        line(""),
    ]
    out += prose("README.md says how a program of yours finds it.", width)
    text.write(out)
    return ALL_PASS
