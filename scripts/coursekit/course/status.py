"""The map of the course: what is done, from what was recorded and from a look at the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coursekit.course import pristine, progress, sources
from coursekit.course.catalog import Catalog, Exercise
from coursekit.course.paths import Checkout
from coursekit.errors import CourseError
from coursekit.telling import report
from coursekit.telling.report import COMMAND, Look
from coursekit.telling.text import Line, Span, line
from coursekit.testing import check


@dataclass(frozen=True)
class Standing:
    exercise: Exercise
    state: str  # done, failing, open (written, never passed), todo, unusable (no file to compile)
    passed_at: str = ""


_WORDS = {
    "done": "done",
    "failing": "failing",
    "open": "not checked yet",
    "todo": "not written",
    "unusable": "file missing or unreadable",
}
_GLYPHS = {
    "done": "pass",
    "failing": "fail",
    "open": "blocked",
    "todo": "todo",
    "unusable": "broken",
}


def standings(checkout: Checkout, catalog: Catalog) -> list[Standing]:
    records = progress.load(checkout)
    return [_standing(checkout, catalog, exercise, records) for exercise in catalog.exercises]


def _standing(
    checkout: Checkout,
    catalog: Catalog,
    exercise: Exercise,
    records: Mapping[str, Mapping[str, object]],
) -> Standing:
    record = records.get(exercise.id, {})
    passed_at = record.get("passed_at")
    when = passed_at if isinstance(passed_at, str) else ""
    for file in exercise.files:
        path = catalog.learner_file(exercise, file)
        if sources.problem(path, checkout.relative(path), exercise.id):
            return Standing(exercise, "unusable", when)
    if check.is_unwritten(catalog, exercise):
        failing = record.get("state") == "fail" and not _is_stub(checkout, catalog, exercise)
        return Standing(exercise, "failing" if failing else "todo", when)
    last = record.get("state")
    if last == "pass":
        return Standing(exercise, "done", when)
    return Standing(exercise, "failing" if last in ("fail", "broken") else "open", when)


def _is_stub(checkout: Checkout, catalog: Catalog, exercise: Exercise) -> bool:
    """Whether nothing is written at all, whatever there was when it was checked."""
    for file in exercise.files:
        try:
            stub = pristine.content_of(checkout, catalog, exercise, file)
            if stub is None or catalog.learner_file(exercise, file).read_bytes() != stub:
                return False
        except (OSError, CourseError):
            return False
    return True


def as_object(standing: Sequence[Standing]) -> dict[str, object]:
    return {
        "exercises": [
            {
                "id": s.exercise.id,
                "slug": s.exercise.slug,
                "module": s.exercise.module,
                "state": s.state,
                "points": s.exercise.points,
                "stretch": s.exercise.stretch,
                "passed_at": s.passed_at or None,
            }
            for s in standing
        ],
        "done": sum(s.state == "done" for s in standing),
        "points": sum(s.exercise.points for s in standing if s.state == "done"),
        "points_possible": sum(s.exercise.points for s in standing),
    }


def lines(
    catalog: Catalog, standing: Sequence[Standing], look: Look, following: Exercise | None
) -> list[Line]:
    by_id = {s.exercise.id: s for s in standing}
    width = max((len(s.exercise.slug) for s in standing), default=0)
    room = max(20, look.width - width - 34)
    out: list[Line] = []
    for module in catalog.modules:
        of_module = [by_id[e.id] for e in module.exercises]
        done = sum(s.state == "done" for s in of_module)
        out.append(
            line(
                Span(f"module {module.number}", "bold"),
                f"  {module.title}  ",
                Span(f"{done} of {len(of_module)}", "dim"),
            )
        )
        for s in of_module:
            out.append(
                _row(
                    s,
                    look,
                    width,
                    room,
                    here=following is not None and s.exercise.id == following.id,
                )
            )
        out.append(line(""))
    total = as_object(standing)
    out.append(
        line(
            f"{total['done']} of {len(standing)} done, {total['points']} of {total['points_possible']} points"
        )
    )
    if following is not None:
        out.append(
            line("next: ", Span(f"{COMMAND} check {following.id}", "bold"), f"  {following.title}")
        )
    return out


def _row(s: Standing, look: Look, width: int, room: int, *, here: bool) -> Line:
    glyph = _GLYPHS[s.state]
    title = s.exercise.title
    if len(title) > room:
        title = title[: room - 1].rstrip() + ("…" if look.unicode else "~")
    star = ("★" if look.unicode else "*") if s.exercise.stretch else " "
    return line(
        Span(">" if here else " ", "bold"),
        Span(look.glyph(glyph), report.STYLES[glyph]),
        f" {s.exercise.id:<5}{star} {s.exercise.slug:<{width}} ",
        Span(f"{s.exercise.points:>3}  ", "dim"),
        Span(_WORDS[s.state], report.STYLES[glyph]),
    )
