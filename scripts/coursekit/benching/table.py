"""The result, for people: one row a number, one column a peer, folded where the page ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coursekit.benching.figures import REFERENCE, Result, number
from coursekit.telling.text import Line, Span, line, prose


@dataclass(frozen=True)
class Column:
    head: str
    cells: tuple[Span, ...]

    @property
    def width(self) -> int:
        return 2 + max(len(self.head), *(len(cell.text) for cell in self.cells))

    @property
    def empty(self) -> bool:
        return not any(cell.text for cell in self.cells)


def columns(found: Sequence[Result], peers: Sequence[str], subject: str) -> list[Column]:
    """The subject, Tokio, how they compare and what is wanted; then the others."""
    out = []
    for peer in (subject, REFERENCE):
        if peer in peers:
            out.append(_of(peer, found, "bold" if peer == subject else ""))
    ratios = Column("ratio", tuple(_ratio(result, subject) for result in found))
    if not ratios.empty:
        out += [ratios, Column("goal", tuple(_goal(result) for result in found))]
    out += [_of(peer, found) for peer in peers if peer not in (subject, REFERENCE)]
    return [column for column in out if not column.empty]


def _of(peer: str, found: Sequence[Result], style: str = "") -> Column:
    return Column(
        peer,
        tuple(
            Span(number(result.values[peer].median) if peer in result.values else "", style)
            for result in found
        ),
    )


def _ratio(result: Result, subject: str) -> Span:
    ratio = result.ratio(subject)
    if ratio is None:
        return Span("")
    style = {True: "green", False: "red", None: ""}[result.meets_goal(subject)]
    return Span(f"{ratio:.2f}" if ratio < 99.995 else f"{ratio:.0f}", style)


def _goal(result: Result) -> Span:
    if result.metric.goal is None:
        return Span("")
    return Span(
        f"{'<' if result.metric.better == 'lower' else '>'}={result.metric.goal:.2f}", "dim"
    )


def lines(found: Sequence[Result], peers: Sequence[str], subject: str, width: int) -> list[Line]:
    """The table, in as many parts as it takes to stay within the width."""
    if not found:
        return []
    names = max(len(result.metric.title) for result in found)
    units = max(len(result.metric.unit) for result in found)
    room = width - names - units - 1
    left, out = columns(found, peers, subject), []
    while left:
        part, used = [left.pop(0)], 0
        used = part[0].width
        while left and used + left[0].width <= room:
            used += left[0].width
            part.append(left.pop(0))
        out += [line(""), *_part(found, part, names, units)]
    return out


def _part(found: Sequence[Result], part: Sequence[Column], names: int, units: int) -> list[Line]:
    head: list[str | Span] = [" " * (names + 1 + units)]
    head += [Span(f"{column.head:>{column.width}}", "bold") for column in part]
    out = [line(*head)]
    for row, result in enumerate(found):
        cells = [(column.cells[row], column.width) for column in part]
        if not any(cell.text for cell, _ in cells):
            continue
        shown: list[str | Span] = [
            f"{result.metric.title:<{names}} ",
            Span(f"{result.metric.unit:<{units}}", "dim"),
        ]
        shown += [Span(f"{cell.text:>{wide}}", cell.style) for cell, wide in cells]
        out.append(line(*shown))
    return out


def notes(
    missing: Mapping[str, str], problems: Sequence[str], left_out: Sequence[str], width: int
) -> list[Line]:
    """Who is not in the table, and why."""
    out: list[Line] = []
    for peer, why in missing.items():
        out += prose(f"Without {peer}: {why}", width)
    for problem in problems:
        out += prose(problem, width)
    if left_out:
        out += prose(
            f"No time was left for {', '.join(left_out)}; `--only` measures one, and without "
            "`--quick` there is time for all.",
            width,
        )
    return [line(""), *out] if out else []
