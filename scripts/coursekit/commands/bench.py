"""course bench: the runtime beside its peers, measured in one run."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coursekit.course import paths
from coursekit.errors import ALL_PASS, MENDABLE

if TYPE_CHECKING:
    from coursekit.benching.figures import Result
    from coursekit.benching.rounds import Measured
    from coursekit.telling.text import Line

_LOOKING = 5.0  # that it may take to see that all is built


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
    from coursekit.benching import charts, figures, machine, peers, session, workloads
    from coursekit.telling import text, ui

    if list_all:
        return _list()
    called = time.monotonic()
    checkout = paths.find_checkout()
    chosen = workloads.choose(only)
    subject = peers.OURS if checkout.has_solutions else peers.MINE
    wanted = [subject, *([peers.MINE] if mine and subject != peers.MINE else [])]
    others = peers.choose(against)
    without = {peer.name: why for peer in others if (why := peers.missing(peer))}
    wanted += [peer for peer in others if peer.name not in without]
    with ui.interface(quiet=as_json) as interface:
        found, broken = session.built(checkout, wanted, interface)
        load_before = machine.load()
        wanted = [peer for peer in wanted if peer.name in found]
        measured = session.measured(
            found,
            chosen,
            [peer.name for peer in wanted],
            interface,
            workers=workers,
            rounds=rounds or (3 if quick else 5),
            # Looking whether all is built belongs to the answer; building does not.
            start=time.monotonic() - min(_LOOKING, time.monotonic() - called),
            quick=quick,
        )
    run = _Run(
        machine.describe({peer.name: peers.version(peer) for peer in wanted}, load_before),
        machine.is_busy(load_before),
        figures.results(measured.samples, chosen, [peer.name for peer in wanted]),
        [peer.name for peer in wanted],
        subject.name,
        without | broken,
        measured,
    )
    written = charts.write(
        svg or checkout.builds / "bench/charts", run.results, run.subject, run.machine
    )
    if as_json:
        _print_json(run)
    else:
        width = text.width_of(sys.stdout)
        said = _said(run, width)
        said += text.prose(_what_it_is(measured.rounds, workers, quick), width)
        if written:
            said += text.prose(f"Charts: {checkout.relative(written[0])} and others.", width)
        text.write(said)
    has_numbers = any(subject.name in result.values for result in run.results)
    return ALL_PASS if has_numbers else MENDABLE


@dataclass(frozen=True)
class _Run:
    """What there is to tell."""

    machine: str
    busy: bool
    results: Sequence[Result]
    peers: Sequence[str]
    subject: str
    without: Mapping[str, str]
    measured: Measured


def _print_json(run: _Run) -> None:
    import json

    from coursekit.benching import figures

    click.echo(json.dumps(figures.as_object(run.machine, run.results, run.subject)))
    for peer, why in run.without.items():
        click.echo(f"Without {peer}: {why}", err=True)
    for problem in run.measured.problems:
        click.echo(problem, err=True)


def _said(run: _Run, width: int) -> list[Line]:
    from coursekit.benching import table
    from coursekit.telling import text

    said = text.prose(run.machine, width)
    if run.busy:
        said += text.prose(
            "Other programs are busy on this machine: believe the ratios before the numbers.",
            width,
            style="yellow",
        )
    said += table.lines(run.results, run.peers, run.subject, width)
    said += table.notes(run.without, run.measured.problems, run.measured.left_out, width)
    return [*said, text.line("")]


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
