"""From the numbers of all rounds to one for each peer, and how they compare. Nothing but arithmetic."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coursekit.benching.workloads import Metric, Workload

REFERENCE = "tokio"


@dataclass(frozen=True)
class Spread:
    """Of the rounds of one peer. Never empty."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Result:
    metric: Metric
    values: Mapping[str, Spread]  # by peer, in the order of the peers

    def ratio(self, subject: str, reference: str = REFERENCE) -> float | None:
        """The subject's median to the reference's. None when one of them is missing, or 0."""
        if subject not in self.values or reference not in self.values:
            return None
        below = self.values[reference].median
        return self.values[subject].median / below if below else None

    def meets_goal(self, subject: str) -> bool | None:
        """None: there is no goal, or nothing to compare."""
        ratio = self.ratio(subject)
        if ratio is None or self.metric.goal is None:
            return None
        if self.metric.better == "lower":
            return ratio <= self.metric.goal
        return ratio >= self.metric.goal


@dataclass
class Samples:
    """Every number of every round."""

    by_metric: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, workload: Workload, peer: str, said: Mapping[str, float]) -> None:
        """Numbers that are no metric of the workload, and those that are none at all, are left out."""
        for metric in workload.metrics:
            value = said.get(metric.key)
            if value is not None and math.isfinite(value):
                self.by_metric.setdefault(metric.name, {}).setdefault(peer, []).append(value)


def spread(values: Sequence[float]) -> Spread:
    return Spread(min(values), statistics.median(values), max(values))


def results(
    samples: Samples, workloads: Sequence[Workload], peers: Sequence[str]
) -> tuple[Result, ...]:
    """One for each metric of which anybody has a number."""
    found = []
    for workload in workloads:
        for metric in workload.metrics:
            of_peers = samples.by_metric.get(metric.name, {})
            values = {peer: spread(of_peers[peer]) for peer in peers if peer in of_peers}
            if values:
                found.append(Result(metric, values))
    return tuple(found)


def significant(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def as_object(machine: str, found: Sequence[Result], subject: str) -> dict[str, Any]:
    """What --json prints."""
    return {
        "machine": machine,
        "results": [
            {
                "workload": result.metric.name,
                "unit": result.metric.unit,
                "better": result.metric.better,
                "values": {
                    peer: significant(value.median, 6) for peer, value in result.values.items()
                },
                "ratio_to_tokio": None
                if (ratio := result.ratio(subject)) is None
                else significant(ratio, 4),
            }
            for result in found
        ],
    }


def number(value: float) -> str:
    """In six characters at most: three digits that count, or all before the point."""
    size = abs(value)
    if size >= 999_500:
        return f"{value / 1e6:.3g}M"
    if size >= 99_999.5:
        return f"{value / 1e3:.0f}k"
    if size >= 99.95:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}"
