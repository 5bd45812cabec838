"""One run of the benchmarks: builds the programs, and lets them take turns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from coursekit.benching import peers, programs
from coursekit.benching import rounds as turns
from coursekit.benching.peers import Peer
from coursekit.benching.rounds import Answer, Measured
from coursekit.benching.workloads import Pace, Workload
from coursekit.building import build
from coursekit.course import paths
from coursekit.course.paths import Checkout
from coursekit.errors import MACHINE, CourseError
from coursekit.telling.ui import Ui

_QUICK_SECONDS = 42.0  # to begin something
_QUICK_END = 48.0  # what has not ended by then is given up
_LONGEST = 60.0  # that one round of one workload may take


def built(
    checkout: Checkout, wanted: Sequence[Peer], interface: Ui
) -> tuple[dict[str, Path], dict[str, str]]:
    """The programs, with the load for the servers, and why there is none of the others."""
    shop = peers.Shop(checkout, interface.progress, build.default_jobs())
    with paths.exclusive(checkout, "course bench", interface.say):
        found, broken = peers.build_all(shop, wanted)
    if "load" in broken:
        raise CourseError(f"The load for the servers: {broken['load']}", MACHINE)
    return found, broken


def measured(
    found: Mapping[str, Path],
    chosen: Sequence[Workload],
    names: Sequence[str],
    interface: Ui,
    *,
    workers: int,
    rounds: int,
    start: float,
    quick: bool,
) -> Measured:
    """`names`: of the peers. `start`: when the time for a quick run has begun."""
    abilities = {name: programs.has(found[name]) for name in names}

    def left(seconds: float) -> float:
        return start + seconds - time.monotonic() if quick else _LONGEST

    def run(peer: str, workload: Workload) -> Answer:
        pace: Pace = "quick" if quick else "full"
        line = programs.command(found[peer], found["load"], workload, workers, pace)
        return programs.run(line, left(_QUICK_END))

    return turns.measure(
        chosen,
        names,
        lambda peer, workload: workload.asks_for in abilities[peer],
        run,
        rounds=rounds,
        seconds_left=lambda: left(_QUICK_SECONDS),
        progress=interface.progress,
    )
