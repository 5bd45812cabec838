"""The sentences of each exercise's contract, and what they are called, so that a mutant can name those it breaks.

A contract stands in two places. In the lesson, under **What must hold**: a sentence is a bullet, or a row of a
table. In the comments of the exercise's own headers: a sentence is one of the numbered invariants below a line
that begins with "Invariants", or a row of a table, which is a header line, a line of dashes, and rows up to an
empty line. What begins further right than the dashes goes on with the row above. A drawing of which thread does
what when is no table: what underlines its columns is a line of "~".

    1.6 must 2                the second bullet of the lesson
    1.6 ThreadParker 3        invariant 3, in the comment before class ThreadParker
    1.6 file 3                the same in the comment at the top of the exercise's file
    2.4 io_stream.h 3         the same of an exercise with several files
    1.10 file row 2           the second row of the tables there, counted through all of them
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coursekit.course import lessons
from coursekit.course.catalog import Catalog, Exercise

_MUST_HOLD = re.compile(r"\*\*What must hold[.:]?\*\*", re.IGNORECASE)
_ANOTHER_PART = re.compile(r"\*\*[A-Z]|<details>")
_BULLET = re.compile(r"[-*] +(.+)")
_RULE_OF_TABLE = re.compile(r"[ |:-]*---[ |:-]*")
_NUMBERED = re.compile(r" +(\d+)\. (.+)")
_DECLARED = re.compile(r"(?:enum )?(?:class|struct) (?:\[\[\w+\]\] )?(\w+(?:(?:<\w+>)?::\w+)*)")


@dataclass(frozen=True)
class Sentence:
    id: str
    text: str  # on one line


def has_contract(exercise: Exercise) -> bool:
    """Where the learner writes the test, the contract is that of another exercise."""
    return exercise.kind != "write_the_test"


def of_exercise(catalog: Catalog, exercise: Exercise) -> tuple[Sentence, ...]:
    if not has_contract(exercise):
        return ()
    lesson = lessons.load(catalog.root, catalog.module(exercise.module))
    found = list(in_section(exercise.id, lessons.section_of(lesson, exercise).text))
    headers = [header for file in exercise.files if (header := _header(catalog, exercise, file))]
    for header in headers:
        of_file = "file" if len(headers) == 1 else header.name
        found += in_header(exercise.id, header.read_text(encoding="utf-8"), of_file)
    return tuple(found)


def _header(catalog: Catalog, exercise: Exercise, file: str) -> Path | None:
    """Where the contract of a file stands: a header's in itself, a source's in the given header of its name."""
    if file.endswith(".h"):
        return catalog.solution_file(exercise, file)
    given = catalog.root / exercise.module / "include"
    return next(iter(sorted(given.rglob(f"{Path(file).stem}.h"))), None)


def in_section(exercise_id: str, section: str) -> Iterator[Sentence]:
    """What stands under **What must hold** in an exercise's part of the lesson."""
    lines = section.split("\n")
    start = next((n for n, line in enumerate(lines) if _MUST_HOLD.match(line)), len(lines))
    texts: list[str] = []
    for number, line in enumerate(lines[start + 1 :], start + 1):
        bullet = _BULLET.fullmatch(line)
        if _ANOTHER_PART.match(line):
            break
        if bullet is not None:
            texts.append(bullet[1])
        elif line.startswith("|"):
            if not _RULE_OF_TABLE.fullmatch(line) and not _RULE_OF_TABLE.fullmatch(
                lines[number + 1] if number + 1 < len(lines) else ""
            ):
                texts.append(line.strip("| "))
        elif line.startswith(" ") and texts:
            texts[-1] += " " + line.strip()
    for count, text in enumerate(texts, 1):
        yield Sentence(f"{exercise_id} must {count}", text)


def in_header(exercise_id: str, header: str, of_file: str) -> Iterator[Sentence]:
    """The invariants and tables in a header's comments. `of_file` names the comment at its top."""
    for name, comment in _comments(header.split("\n"), of_file):
        for number, text in _invariants(comment):
            yield Sentence(f"{exercise_id} {name} {number}", text)
        for number, text in enumerate(_rows(comment), 1):
            yield Sentence(f"{exercise_id} {name} row {number}", text)


def _comments(lines: Sequence[str], of_file: str) -> Iterator[tuple[str, list[str]]]:
    """The comments that stand at the top of the file or before a class, each with its name."""
    comment: list[str] = []
    name = of_file
    for line in lines:
        if line.startswith("//"):
            comment.append(line.removeprefix("//"))
        elif not line.startswith("template") or name == of_file:
            declared = _DECLARED.match(line)
            if name != of_file:
                name = re.sub(r"<\w+>", "", declared[1]) if declared else ""
            if comment and name:
                yield name, comment
            comment, name = [], "?"


def _invariants(comment: Sequence[str]) -> Iterator[tuple[int, str]]:
    inside = False
    number, text = 0, ""
    for line in (*comment, ""):
        item = _NUMBERED.fullmatch(line) if inside else None
        if number and (item is not None or not line.strip()):
            yield number, text
            number = 0
        if item is not None:
            number, text = int(item[1]), item[2]
        elif line.startswith(" Invariants"):
            inside = True
        elif not line.strip():
            inside = False
        elif number:
            text += " " + line.strip()


def _rows(comment: Sequence[str]) -> list[str]:
    """Each row's text, with what its other lines say in each column left where it stands."""
    rows: list[str] = []
    rule: int | None = None  # where the dashes begin; none outside of a table
    for line in comment:
        if _RULE_OF_TABLE.fullmatch(line) and line.strip():
            rule = len(line) - len(line.lstrip())
        elif not line.strip():
            rule = None
        elif rule is not None:
            said = re.sub(r"  +", "  ", line.strip())
            if len(line) - len(line.lstrip(" |")) > rule and rows:
                rows[-1] += "  " + said
            else:
                rows.append(said)
    return rows
