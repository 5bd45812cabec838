"""The result as pictures: SVG, by hand. One of the ratios, and one for each number."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from html import escape
from pathlib import Path

from coursekit.benching.figures import Result, number

_WIDTH = 720
_ROW = 26
_LABEL = 190
_RIGHT = 90
_LETTERS = 100  # of the smallest text, in one line
_STYLE = (
    ".page{fill:#fff}text{font:13px system-ui,sans-serif;fill:#333}.head{font-weight:600;font-size:15px}"
    ".dim{fill:#777}.bar{fill:#9aa5b1}.subject{fill:#2f6fde}.line{stroke:#999}.range{stroke:#333}"
    "@media(prefers-color-scheme:dark){.page{fill:#1b1f24}text{fill:#ddd}.dim{fill:#999}.bar{fill:#5b6672}"
    ".range{stroke:#ddd}}"
)


def _svg(y: int, parts: Sequence[str], machine: str) -> str:
    """The parts, which end at `y`, and on what it was measured below them."""
    footer = textwrap.wrap(machine, _LETTERS)
    said = [_text(10, y + 14 + 18 * row, words, "dim") for row, words in enumerate(footer)]
    height = y + 8 + 18 * len(footer)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img">\n<style>{_STYLE}</style>\n'
        f'<rect width="{_WIDTH}" height="{height}" class="page"/>\n'
        + "\n".join([*parts, *said])
        + "\n</svg>\n"
    )


def _text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named} text-anchor="{anchor}">{escape(said)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _bar(x: float, y: float, width: float, kind: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{_ROW - 10}" '
        f'class="{kind}"/>'
    )


def bars(result: Result, subject: str, machine: str) -> str:
    """A bar for each peer's median; the thin line goes from its lowest round to its highest."""
    room = _WIDTH - _LABEL - _RIGHT
    most = max(value.high for value in result.values.values()) or 1.0
    better = f"{result.metric.better} is better"
    parts = [
        _text(10, 24, f"{result.metric.title}, {result.metric.unit}", "head"),
        _text(_WIDTH - 10, 24, better, "dim", "end"),
    ]
    y = 44
    for peer, value in result.values.items():
        kind = "subject" if peer == subject else "bar"
        middle = y + (_ROW - 10) / 2
        parts += [
            _text(_LABEL - 10, y + 13, peer, anchor="end"),
            _bar(_LABEL, y, room * value.median / most, kind),
            _line(
                _LABEL + room * value.low / most,
                middle,
                _LABEL + room * value.high / most,
                middle,
                "range",
            ),
            _text(_LABEL + room * value.high / most + 8, y + 13, number(value.median)),
        ]
        y += _ROW
    return _svg(y, parts, machine)


def ratios(found: Sequence[Result], subject: str, machine: str) -> str:
    """How the subject compares to Tokio, on a scale on which twice is as far as half. Turned so that
    left of the line is better, whatever the unit."""
    compared = [
        (result, ratio if result.metric.better == "lower" else 1 / ratio)
        for result in found
        if (ratio := result.ratio(subject))
    ]
    room = _WIDTH - _LABEL - _RIGHT
    reach = max([1.0, *(abs(math.log2(cost)) for _, cost in compared)])
    centre = _LABEL + room / 2
    parts = [
        _text(10, 24, f"{subject} beside Tokio: left of the line is better", "head"),
    ]
    y = 44
    for result, cost in compared:
        reached = room / 2 * math.log2(cost) / reach
        title = f"{result.metric.title}, {result.metric.unit}"
        parts += [
            _text(_LABEL - 10, y + 13, title, anchor="end"),
            _bar(centre + min(reached, 0), y, abs(reached), "subject" if cost <= 1 else "bar"),
            _text(_WIDTH - 10, y + 13, f"× {result.ratio(subject):.2f}", anchor="end"),
        ]
        y += _ROW
    parts.append(_line(centre, 36, centre, y, "line"))
    return _svg(y, parts, machine)


def write(folder: Path, found: Sequence[Result], subject: str, machine: str) -> list[Path]:
    """Writes ratios.svg, and NAME.svg for each number. Returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {result.metric.name: bars(result, subject, machine) for result in found}
    if any(result.ratio(subject) for result in found):
        pictures = {"ratios": ratios(found, subject, machine), **pictures}
    written = []
    for name, picture in pictures.items():
        path = folder / f"{name}.svg"
        path.write_text(picture, "utf-8")
        written.append(path)
    return written
