"""The learner's code beside the reference, as lines for a person. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence

from coursekit.telling.text import Line, Span, line

SIDE_BY_SIDE = 120  # columns from which two pages of code fit beside each other
_CONTEXT = 3

_MARKER = re.compile(r"[ \t]*// (BEGIN SOLUTION \S+|END SOLUTION|STUB:.*)\s*")


def reference_text(text: str) -> str:
    """The reference without what only the stub generator reads."""
    return "".join(f"{raw}\n" for raw in text.splitlines() if not _MARKER.fullmatch(raw))


def same(mine: str, reference: str) -> bool:
    """No difference that anybody would want to see: the stub's own include may have stayed."""
    return list(_code_lines(mine)) == list(_code_lines(reference))


def _code_lines(text: str) -> Iterator[str]:
    return (
        raw.rstrip()
        for raw in text.splitlines()
        if raw.strip() and raw.strip() != '#include "rt/platform/todo.h"'
    )


def lines(mine: str, reference: str, width: int) -> list[Line]:
    """Side by side where there is room, unified otherwise."""
    a = [raw.expandtabs(4).rstrip() for raw in mine.splitlines()]
    b = [raw.expandtabs(4).rstrip() for raw in reference.splitlines()]
    return side_by_side(a, b, width) if width >= SIDE_BY_SIDE else unified(a, b)


_Opcodes = Sequence[tuple[str, int, int, int, int]]


def _groups(a: Sequence[str], b: Sequence[str]) -> Iterable[_Opcodes]:
    return difflib.SequenceMatcher(None, a, b, autojunk=False).get_grouped_opcodes(_CONTEXT)


def unified(a: Sequence[str], b: Sequence[str]) -> list[Line]:
    """`-` is the learner's, `+` is the reference's, each with the number of the learner's or reference's line."""
    out: list[Line] = []
    for group in _groups(a, b):
        if out:
            out.append(line(Span("  …", "dim")))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                out += [_numbered(i + 1, " ", a[i], "dim") for i in range(i1, i2)]
            else:
                out += [_numbered(i + 1, "-", a[i], "red") for i in range(i1, i2)]
                out += [_numbered(j + 1, "+", b[j], "green") for j in range(j1, j2)]
    return out


def _numbered(number: int, mark: str, said: str, style: str) -> Line:
    return line(Span(f"{number:>4} ", "dim"), Span(f"{mark} {said}".rstrip(), style))


def side_by_side(a: Sequence[str], b: Sequence[str], width: int) -> list[Line]:
    """The learner's on the left. A line too long for its half goes on below."""
    half = (width - 3) // 2
    room = half - 7
    out: list[Line] = [line(Span(f"{'yours':<{half}} | reference", "bold"))]
    for count, group in enumerate(_groups(a, b)):
        if count:
            out.append(line(Span(f"{'  …':<{half}} |   …", "dim")))
        for tag, i1, i2, j1, j2 in group:
            styles = ("dim", "dim") if tag == "equal" else ("red", "green")
            for index in range(max(i2 - i1, j2 - j1)):
                left = _pieces(a, i1 + index, i2, room, tag)
                right = _pieces(b, j1 + index, j2, room, tag)
                for row in range(max(len(left), len(right))):
                    cells = [side[row] if row < len(side) else "" for side in (left, right)]
                    out.append(
                        line(
                            Span(f"{cells[0]:<{half}}", styles[0]),
                            Span(" | ", "dim"),
                            Span(cells[1], styles[1]),
                        )
                    )
    return out


def _pieces(text: Sequence[str], at: int, end: int, room: int, tag: str) -> list[str]:
    if at >= end:
        return []
    mark = " " if tag == "equal" else "*"
    said = text[at]
    parts = [said[k : k + room] for k in range(0, len(said), room)] or [""]
    return [f"{at + 1:>4} {mark} {parts[0]}", *(f"{'':>7}{part}" for part in parts[1:])]
