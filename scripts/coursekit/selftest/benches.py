"""Proves that the benchmarks of the course build, and that each workload runs: one tiny round, of
which nothing is timed. What they measure is for people to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from coursekit.benching import peers, programs
from coursekit.benching.rounds import Answer, Failure
from coursekit.benching.workloads import WORKLOADS, Workload
from coursekit.selftest.outcome import Bench, Outcome

_BY_HAND = ("http_floor", "soak", "timer_wheel", "mpsc")
_TINY_SOAK = ("2000", "0.3", "2")  # tasks, seconds, workers
_WORKERS = 2
_SECONDS = 120.0  # no measure: a round takes a tenth of one, on a machine that is not busy


def run_all(bench: Bench) -> Iterator[Outcome]:
    shop = peers.Shop(bench.checkout, bench.ui.progress, bench.jobs)
    yield from _by_hand(shop)
    # The other peers take minutes to compile, and `course bench` says what is wrong with them.
    wanted = [peers.OURS, peers.POOL, peers.FLOOR]
    found, broken = peers.build_all(shop, wanted)
    for name, why in broken.items():
        yield Outcome(f"bench {name}", why)
    for peer in wanted:
        if peer.name in found and "load" in found:
            yield from _rounds(bench, peer, found[peer.name], found["load"])


def _by_hand(shop: peers.Shop) -> Iterator[Outcome]:
    targets = list(_BY_HAND)
    if not Path("/usr/include/benchmark/benchmark.h").exists():
        targets = ["http_floor", "soak"]
        yield Outcome("timer_wheel and mpsc", skipped="libbenchmark-dev is not installed")
    broken = peers.build_cxx(shop, "solutions", targets)
    for target in targets:
        yield Outcome(f"bench {target} builds", broken.get(target, ""))
    if "soak" not in broken:
        line = (str(shop.cmake("solutions") / "soak"), *_TINY_SOAK)
        said = programs.run(line, _SECONDS)
        yield Outcome("bench soak", said.why if isinstance(said, Failure) else "")


def _rounds(bench: Bench, peer: peers.Peer, program: Path, load: Path) -> Iterator[Outcome]:
    able = programs.has(program)
    if unknown := surprises(peer, able):
        yield Outcome(f"bench {peer.name} --list", unknown)
    for workload in WORKLOADS:
        if workload.asks_for not in able:
            continue
        bench.ui.progress(f"a tiny round of {workload.name} by {peer.name}", 0, 0)
        line = programs.command(program, load, workload, _WORKERS, "tiny")
        said = programs.run(line, _SECONDS)
        yield Outcome(f"bench {peer.name}: {workload.name}", problem_with(workload, said))


def surprises(peer: peers.Peer, able: frozenset[str]) -> str:
    """What is wrong with the list of workloads that a program gives."""
    known = {workload.asks_for for workload in WORKLOADS}
    if not able:
        return "it has no workload"
    if unknown := able - known:
        return f"it has {', '.join(sorted(unknown))}, which nobody asks for"
    # Module 3's pool has no threads for functions that block.
    if peer in (peers.OURS, peers.MINE) and (lacking := known - able):
        return f"it lacks {', '.join(sorted(lacking))}"
    return ""


def problem_with(workload: Workload, said: Answer) -> str:
    """What is wrong with what a program says of a round."""
    if isinstance(said, Failure):
        return said.why
    lacking = [metric.key for metric in workload.metrics if metric.key not in said]
    return f"it does not say {', '.join(lacking)}" if lacking else ""
