"""What is measured. What each workload means, for every peer alike, is said in
scripts/bench/common/program.h; here are its sizes, and what its numbers are called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from coursekit.errors import USAGE, CourseError

Better = Literal["lower", "higher"]
Pace = Literal["full", "quick", "tiny"]


@dataclass(frozen=True)
class Metric:
    """One number of a workload: a row of the table."""

    key: str  # what the program calls it
    name: str  # what programs that read our JSON call it
    title: str
    unit: str
    better: Better
    goal: float | None = None  # the ratio to Tokio that the course wants, or better


@dataclass(frozen=True)
class Workload:
    name: str
    metrics: tuple[Metric, ...]
    full: int  # N of program.h; of an echo server, the milliseconds of the load
    quick: int
    tiny: int
    connections: int = 0  # not 0: an echo server, and the load talks to it
    load: Literal["busy", "idle"] = "busy"
    program: str = ""  # what the programs call it, if it is not the name

    def size(self, pace: Pace) -> int:
        return {"full": self.full, "quick": self.quick, "tiny": self.tiny}[pace]

    @property
    def asks_for(self) -> str:
        return self.program or self.name


def _one(name: str, title: str, unit: str, better: Better, goal: float | None = None) -> Metric:
    return Metric(name, name, title, unit, better, goal)


def _busy(connections: int, p99_goal: float | None) -> Workload:
    name, title = f"echo-{connections}", f"echo {connections:,}"
    return Workload(
        name,
        (
            Metric("rate", f"{name}-rate", f"{title}: rate", "1/s", "higher", 1.0),
            Metric("cpu", f"{name}-cpu", f"{title}: CPU", "µs", "lower", 0.97),
            Metric("p50", f"{name}-p50", f"{title}: p50", "ms", "lower"),
            Metric("p99", f"{name}-p99", f"{title}: p99", "ms", "lower", p99_goal),
        ),
        2_000,
        400,
        40,
        connections,
        "busy",
        "echo",
    )


# In the order of the table. When --quick runs out of time, the last ones stay out.
WORKLOADS: tuple[Workload, ...] = (
    Workload(
        "spawn", (_one("spawn", "spawn + join", "ns", "lower", 0.6),), 1_000_000, 200_000, 100
    ),
    Workload(
        "yield-one",
        (_one("yield-one", "one task yields", "ns", "lower", 0.6),),
        2_000_000,
        300_000,
        100,
    ),
    Workload(
        "yield-many",
        (_one("yield-many", "1,000 tasks yield", "ns", "lower", 0.8),),
        2_000_000,
        300_000,
        2_000,
    ),
    Workload(
        "ping-pong",
        (_one("ping-pong", "ping-pong", "ns", "lower", 0.6),),
        200_000,
        30_000,
        100,
    ),
    Workload(
        "chain", (_one("chain", "chained spawn", "ns", "lower", 0.6),), 1_000_000, 200_000, 50
    ),
    Workload(
        "channel",
        (_one("channel", "channel 1 to 1", "M/s", "higher", 2.0),),
        3_000_000,
        500_000,
        3_000,
    ),
    Workload(
        "timer",
        (
            _one("timer-insert", "timer insert", "ns", "lower", 0.1),
            _one("timer-cancel", "timer cancel", "ns", "lower", 0.35),
            _one("timer-bytes", "timer", "bytes", "lower"),
        ),
        500_000,
        100_000,
        100,
    ),
    Workload("idle", (_one("idle", "idle task", "bytes", "lower", 0.65),), 100_000, 50_000, 50),
    Workload(
        "idle-async",
        (_one("idle-async", "idle coroutine", "bytes", "lower"),),
        100_000,
        50_000,
        50,
    ),
    Workload(
        "sleeping", (_one("sleeping", "sleeping task", "bytes", "lower"),), 100_000, 50_000, 50
    ),
    Workload("skynet", (_one("skynet", "skynet", "ms", "lower", 0.35),), 1_000_000, 1_000_000, 100),
    Workload("start-stop", (_one("start-stop", "start + stop", "µs", "lower", 0.9),), 300, 60, 2),
    Workload("greedy", (_one("greedy", "beside a hog, p99", "µs", "lower"),), 2_000, 500, 5),
    Workload(
        "blocking",
        (_one("blocking", "blocking call", "ns", "lower", 1.0),),
        50_000,
        10_000,
        50,
    ),
    Workload(
        "read",
        (
            _one("read-cached", "read, cached", "ns", "lower"),
            _one("read-pool", "read, by the pool", "ns", "lower"),
        ),
        50_000,
        10_000,
        50,
    ),
    _busy(50, None),
    _busy(1000, 0.3),
    Workload(
        "echo-9500",
        (Metric("bytes", "echo-9500-bytes", "echo connection", "bytes", "lower"),),
        300,
        100,
        20,
        9_500,
        "idle",
        "echo-idle",
    ),
)


def choose(names: Sequence[str], workloads: Sequence[Workload] = WORKLOADS) -> tuple[Workload, ...]:
    """Those named: by a name, by the name of one of their numbers, or by how it begins. None: all."""
    if not names:
        return tuple(workloads)
    chosen: set[str] = set()
    for asked in names:
        found = {
            w.name
            for w in workloads
            if asked in (w.name, *(metric.name for metric in w.metrics))
            or w.name.startswith(f"{asked}-")
        }
        if not found:
            known = ", ".join(w.name for w in workloads)
            raise CourseError(f"There is no workload {asked!r}. There are: {known}.", USAGE)
        chosen |= found
    return tuple(w for w in workloads if w.name in chosen)
