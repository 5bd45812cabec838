"""Whose turn it is. Rounds of all peers are interleaved, so that whatever else happens on the machine
happens to all of them, and each round begins with another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from coursekit.benching.figures import Samples
from coursekit.benching.workloads import Workload


@dataclass(frozen=True)
class Failure:
    """Why there is no number."""

    why: str


Answer = Mapping[str, float] | Failure
Has = Callable[[str, Workload], bool]  # whether a peer has the workload
Run = Callable[[str, Workload], Answer]


@dataclass
class Measured:
    samples: Samples = field(default_factory=Samples)
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # workloads without time for all peers
    rounds: int = 0  # those that were whole


def measure(
    workloads: Sequence[Workload],
    peers: Sequence[str],
    has: Has,
    run: Run,
    *,
    rounds: int,
    seconds_left: Callable[[], float],
    progress: Callable[[str, int, int], None],
) -> Measured:
    """Runs every workload of every peer once a round, as long as there is time. Who has failed once at
    something is not asked for it again.
    """
    measured = Measured()
    failed: set[tuple[str, str]] = set()
    turns = [(w, [peer for peer in peers if has(peer, w)]) for w in workloads]
    total = sum(len(able) for _, able in turns)
    for number in range(rounds):
        done = 0
        for workload, able in turns:
            first = number % len(able) if able else 0
            for peer in (*able[first:], *able[:first]):
                if seconds_left() <= 0:
                    if number > 0:
                        return measured
                    measured.left_out.append(workload.name)
                    break
                done += 1
                if (peer, workload.name) in failed:
                    continue
                progress(f"round {number + 1} of {rounds}: {workload.name}, {peer}", done, total)
                answer = run(peer, workload)
                if isinstance(answer, Failure):
                    failed.add((peer, workload.name))
                    measured.problems.append(
                        f"{peer} has no number for {workload.name}: {answer.why}"
                    )
                else:
                    measured.samples.add(workload, peer, answer)
        measured.rounds = number + 1
    return measured
