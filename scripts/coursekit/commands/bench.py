"""course bench: the runtime beside its peers, measured in one run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coursekit import paths
from coursekit.errors import ALL_PASS, MACHINE, MENDABLE, CourseError
from coursekit.paths import Checkout

if TYPE_CHECKING:
    from coursekit.benching.peers import Peer
    from coursekit.ui import Ui

_QUICK_SECONDS = 42.0  # to begin something
_QUICK_END = 48.0  # what has not ended by then is given up
_LONGEST = 60.0  # that one round of one workload may take


@click.command(short_help="Your runtime, or the reference, beside Tokio and other peers.")
@click.option("--against", default="", metavar="PEERS", help="Only these, as in tokio,asio.")
@click.option(
    "--only", multiple=True, metavar="WORKLOAD", help="Only this workload. May be given again."
)
@click.option("--mine", is_flag=True, help="Put your own runtime into the table, too.")
@click.option("--quick", is_flag=True, help="Small sizes, and an answer in less than 50 s.")
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="This many rounds (5).")
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, metavar="N", help="Worker threads (2)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@click.option(
    "--svg",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the charts go (build/bench/charts).",
)
@click.option("--list", "list_all", is_flag=True, help="Name the workloads and the peers.")
def command(
    against: str,
    only: tuple[str, ...],
    mine: bool,
    quick: bool,
    rounds: int | None,
    workers: int,
    as_json: bool,
    svg: Path | None,
    list_all: bool,
) -> int:
    """The runtime beside Tokio, smol, async-std, Asio, libuv and oneTBB, as far as they are installed.

    All take turns in one run. The table has the median of the rounds for each, and the ratio to
    Tokio. Absolute numbers are this machine's, and of this hour; a ratio says more. Building the
    programs takes minutes the first time; measuring comes after that.
    """
    from coursekit import build, text, ui
    from coursekit.benching import charts, figures, machine, peers, programs, table, workloads
    from coursekit.benching import rounds as turns

    if list_all:
        return _list()
    checkout = paths.find_checkout()
    chosen = workloads.choose(only)
    subject = peers.OURS if checkout.has_solutions else peers.MINE
    wanted = [subject, *([peers.MINE] if mine and subject != peers.MINE else [])]
    others = peers.choose(against)
    without = {peer.name: why for peer in others if (why := peers.missing(peer))}
    wanted += [peer for peer in others if peer.name not in without]
    with ui.interface(quiet=as_json) as interface:
        found, broken = _build(checkout, wanted, interface, build.default_jobs())
        if "load" in broken:
            raise CourseError(f"The load generator: {broken['load']}", MACHINE)
        without |= broken
        load_before = machine.load()
        names = [peer.name for peer in wanted if peer.name in found]
        abilities = {name: programs.has(found[name]) for name in names}
        pace: workloads.Pace = "quick" if quick else "full"
        start = time.monotonic()

        def left(seconds: float) -> float:
            return start + seconds - time.monotonic() if quick else _LONGEST

        measured = turns.measure(
            chosen,
            names,
            lambda peer, workload: workload.asks_for in abilities[peer],
            lambda peer, workload: programs.run(
                programs.command(found[peer], found["load"], workload, workers, pace),
                left(_QUICK_END),
            ),
            rounds=rounds or (3 if quick else 5),
            seconds_left=lambda: left(_QUICK_SECONDS),
            progress=interface.progress,
        )
    versions = {peer.name: peers.version(peer) for peer in wanted if peer.name in found}
    described = machine.describe(versions, load_before)
    results = figures.results(measured.samples, chosen, names)
    charts_folder = svg or checkout.builds / "bench/charts"
    written = charts.write(charts_folder, results, subject.name, described)
    if as_json:
        import json

        click.echo(json.dumps(figures.as_object(described, results, subject.name)))
        for peer, why in without.items():
            click.echo(f"Without {peer}: {why}", err=True)
        for problem in measured.problems:
            click.echo(problem, err=True)
    else:
        width = text.width_of(sys.stdout)
        said = text.prose(described, width)
        if machine.is_busy(load_before):
            said += text.prose(
                "Other programs are busy on this machine: believe the ratios before the numbers.",
                width,
                style="yellow",
            )
        said += table.lines(results, names, subject.name, width)
        said += table.notes(without, measured.problems, measured.left_out, width)
        said += [text.line("")]
        said += text.prose(_what_it_is(measured.rounds, workers, quick), width)
        if written:
            said += text.prose(f"Charts: {checkout.relative(written[0])} and others.", width)
        text.write(said)
    return ALL_PASS if any(subject.name in result.values for result in results) else MENDABLE


def _build(
    checkout: Checkout, wanted: Sequence[Peer], interface: Ui, jobs: int
) -> tuple[dict[str, Path], dict[str, str]]:
    from coursekit.benching import peers

    with paths.exclusive(checkout, "course bench", interface.say):
        return peers.build_all(peers.Shop(checkout, interface.progress, jobs), wanted)


def _what_it_is(rounds: int, workers: int, quick: bool) -> str:
    counted = f"Medians of {rounds} rounds" if rounds > 1 else "One round"
    return (
        f"{counted}, {workers} workers{', small sizes' if quick else ''}; a blank is something that the peer "
        "does not have. What each workload is, scripts/bench/common/program.h says; the floor is what no "
        "runtime can spare."
    )


def _list() -> int:
    from coursekit.benching import peers, workloads

    click.echo("Workloads, for --only:")
    for workload in workloads.WORKLOADS:
        numbers = ", ".join(f"{metric.title} ({metric.unit})" for metric in workload.metrics)
        click.echo(f"  {workload.name:<11} {numbers}")
    click.echo("Peers, for --against:")
    for peer in (*peers.PEERS, peers.POOL):
        state = peers.missing(peer) or peers.version(peer) or "of this course"
        click.echo(f"  {peer.name:<11} {state}")
    return ALL_PASS
