"""The page of what a learner has built: lines for a terminal, and HTML to keep. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coursekit.benching import charts
from coursekit.benching.figures import REFERENCE, Result, number
from coursekit.telling.text import Line, Span, line, prose
from coursekit.testing.whole import Count, Part, Speed, Whole

MINE, OURS = "mine", "ours"  # as the benchmarks call them

_FAILING = 5  # demos that get a line each
BUSY = "Other programs were busy on this machine: measure again, and the numbers will be others."

_HEADS = {MINE: "yours", OURS: "reference", REFERENCE: "Tokio"}


def lines(whole: Whole, width: int) -> list[Line]:
    """What `check all --mine` says at its end."""
    out = [line(Span("What you have built", "bold")), line("")]
    out += _table(whole)
    out.append(line(""))
    out += _demos(whole, width)
    out.append(line(""))
    out += _speed(whole.speed, width)
    return out


def _table(whole: Whole) -> list[Line]:
    rows = [("", "exercises", "tests", "lines", "wrong solutions")]
    rows += [_row(part) for part in (*whole.parts, whole.total)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    out = []
    for number_, row in enumerate(rows):
        cells = [f"{row[0]:<{widths[0]}}"]
        cells += [f"{cell:>{wide}}" for cell, wide in zip(row[1:], widths[1:])]
        style = "dim" if number_ == 0 else "bold" if number_ == len(rows) - 1 else ""
        out.append(line("  ", Span("   ".join(cells).rstrip(), style)))
    return out


def _row(part: Part) -> tuple[str, str, str, str, str]:
    caught = f"{part.caught} caught" if part.caught.of else ""
    return part.name, str(part.exercises), str(part.tests), f"{part.lines:,}", caught


def _demos(whole: Whole, width: int) -> list[Line]:
    if whole.good_demos.whole:
        return prose(f"Demos: all {whole.good_demos.of} run on it.", width)
    out = prose(f"Demos: {whole.good_demos} run on it.", width)
    failing = {name: wrong for name, wrong in whole.demos.items() if wrong}
    for name in list(failing)[:_FAILING]:
        out += prose(f"{name}: {failing[name].splitlines()[0]}", width, "  ", "red")
    if len(failing) > _FAILING:
        out += prose(f"and {len(failing) - _FAILING} more", width, "  ", "red")
    return out


def speed_columns(speed: Speed) -> list[str]:
    """Who has been measured: the learner first."""
    return [peer for peer in _HEADS if any(peer in result.values for result in speed.results)]


def speed_rows(speed: Speed) -> list[list[str]]:
    """A head, and a row for each number."""
    peers = speed_columns(speed)
    others = [peer for peer in peers if peer != MINE]
    rows = [["", "unit", *(_HEADS[p] for p in peers), *(f"to {_HEADS[p]}" for p in others)]]
    for result in speed.results:
        values = [
            number(result.values[peer].median) if peer in result.values else "" for peer in peers
        ]
        ratios = [_ratio(result, peer) for peer in others]
        rows.append([result.metric.title, result.metric.unit, *values, *ratios])
    return rows


def _ratio(result: Result, reference: str) -> str:
    ratio = result.ratio(MINE, reference)
    return "" if ratio is None else f"× {ratio:.2f}"


def _speed(speed: Speed, width: int) -> list[Line]:
    if speed.why:
        return prose(f"Speed: {speed.why}", width)
    out = prose("Speed, all measured in one run:", width)
    rows = speed_rows(speed)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for place, row in enumerate(rows):
        cells = [f"{cell:<{wide}}" for cell, wide in zip(row[:2], widths[:2])]
        cells += [f"{cell:>{wide}}" for cell, wide in zip(row[2:], widths[2:])]
        style = "" if place else "dim"
        out.append(line("  ", Span("  ".join(cells).rstrip(), style)))
    for peer, why in speed.without.items():
        out += prose(f"Without {_HEADS.get(peer, peer)}: {why}", width, "  ")
    if speed.busy:
        out += prose(BUSY, width, "  ", "yellow")
    return out


def html(whole: Whole, day: str) -> str:
    """The same as a page that needs nothing else. `day`: when it was made."""
    import jinja2

    template = jinja2.Template(
        Path(__file__).with_name("whole.html.j2").read_text("utf-8"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    compared = any(result.ratio(MINE) for result in whole.speed.results)
    return template.render(
        whole=whole,
        total=whole.total,
        day=day,
        speed=speed_rows(whole.speed) if whole.speed.results else [],
        without={_HEADS.get(peer, peer): why for peer, why in whole.speed.without.items()},
        chart=charts.ratios(whole.speed.results, MINE, whole.speed.machine) if compared else "",
        cards=_cards(whole),
        busy=BUSY if whole.speed.busy else "",
    )


def _cards(whole: Whole) -> Sequence[tuple[str, str]]:
    total = whole.total
    caught: Count = total.caught
    return [
        (f"{total.lines:,}", "lines that you wrote"),
        (str(total.tests), "tests pass"),
        (str(total.exercises), "exercises pass"),
        (str(caught), "wrong solutions caught by your tests"),
        (str(whole.good_demos), "demos run on it"),
    ]
