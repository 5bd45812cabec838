"""Derives what the learner starts from out of the reference, so that nobody edits both.

In a reference, `// BEGIN SOLUTION 1.6` … `// END SOLUTION` encloses what the learner writes. In the
stub the region becomes `RT_TODO("1.6");`, or what the region's `// STUB:` lines say, at the indent
of the marker. A `// STUB:` without text leaves the region empty.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from coursekit.course import backups, catalog as catalog_module
from coursekit.course.catalog import Catalog, Exercise
from coursekit.course.paths import Checkout, find_checkout
from coursekit.errors import CourseError

_BEGIN = re.compile(r"([ \t]*)// BEGIN SOLUTION (\S+)\s*")
_END = re.compile(r"[ \t]*// END SOLUTION\s*")
_STUB = re.compile(r"[ \t]*// STUB:(?: (.*)|(\S.*)|)")
_MARKER = re.compile(r"(BEGIN|END) SOLUTION|//\s*STUB:")
_INCLUDE = re.compile(r'[ \t]*#[ \t]*include[ \t]*([<"].*)')

TODO = "rt/platform/todo.h"  # only stubs need it
_TODO_HEADER = f'#include "{TODO}"'


class StubError(CourseError):
    """A reference from which no stub can be made. The message starts with file and line."""


@dataclass(frozen=True)
class Difference:
    """A learner's file that is not what its reference says."""

    file: str  # relative to the course's folder
    what: str  # one sentence
    diff: str  # a unified diff, or nothing


@dataclass(frozen=True)
class _Region:
    exercise: str
    indent: str
    line: int
    stub: tuple[str, ...] | None  # None: no STUB line, so RT_TODO


def derive(text: str, exercise_id: str, name: str = "solution") -> str:
    """The stub of one reference file. `name` is what errors call the file."""
    out: list[str] = []
    region: _Region | None = None
    found = False
    for number, line in enumerate(text.splitlines(), start=1):
        where = f"{name}:{number}"
        begin, end, stub = _BEGIN.fullmatch(line), _END.fullmatch(line), _STUB.fullmatch(line)
        if begin:
            if region:
                raise StubError(
                    f"{where}: a solution begins inside the one of line {region.line}: "
                    "write // END SOLUTION first"
                )
            if begin[2] != exercise_id:
                raise StubError(
                    f"{where}: a solution of {begin[2]}, and the file belongs to {exercise_id}"
                )
            region = _Region(begin[2], begin[1], number, None)
            found = True
        elif end:
            if not region:
                raise StubError(f"{where}: // END SOLUTION, and no solution has begun")
            out.extend(_replacement(region))
            region = None
        elif stub:
            if not region:
                raise StubError(f"{where}: // STUB: outside a solution says nothing to anyone")
            said = (stub[1] or stub[2] or "").rstrip()
            region = _Region(
                region.exercise, region.indent, region.line, (*(region.stub or ()), said)
            )
        elif _MARKER.search(line):
            raise StubError(
                f"{where}: a marker is written `// BEGIN SOLUTION {exercise_id}`, "
                "`// END SOLUTION` or `// STUB: text`, alone on its line"
            )
        elif not region:
            out.append(line)
    if region:
        raise StubError(f"{name}:{region.line}: the solution has no // END SOLUTION")
    if not found:
        raise StubError(
            f"{name}:1: no // BEGIN SOLUTION {exercise_id}: the stub would be the solution"
        )
    if any("RT_TODO(" in line for line in out):
        out = _with_todo_header(out)
    return "\n".join(out) + "\n"


def finished(text: str) -> str:
    """What a file reads like outside of the course: neither marks of a solution nor RT_TODO's header."""
    kept = [
        line
        for line in text.splitlines()
        if not any(mark.fullmatch(line) for mark in (_BEGIN, _END, _STUB))
        and line.strip() != _TODO_HEADER
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)) + "\n"


def _replacement(region: _Region) -> Iterator[str]:
    if region.stub is None:
        yield f'{region.indent}RT_TODO("{region.exercise}");'
    elif any(region.stub):
        for line in region.stub:
            yield region.indent + line if line else ""


def _with_todo_header(lines: Sequence[str]) -> list[str]:
    """Adds the header of RT_TODO to the last group of includes, in its alphabetical place."""
    includes = [i for i, line in enumerate(lines) if _INCLUDE.fullmatch(line)]
    if any(lines[i].strip() == _TODO_HEADER for i in includes):
        return list(lines)
    if not includes:
        after = next((i for i, line in enumerate(lines) if line.startswith("#pragma once")), -1) + 1
        return [
            *lines[:after],
            *([""] if after else []),
            _TODO_HEADER,
            "",
            *_without_blank(lines[after:]),
        ]
    first = last = includes[-1]
    while first - 1 in includes:
        first -= 1
    if any("<" in lines[i] for i in range(first, last + 1)):
        return [*lines[: last + 1], "", _TODO_HEADER, *lines[last + 1 :]]
    at = next((i for i in range(first, last + 1) if lines[i] > _TODO_HEADER), last + 1)
    return [*lines[:at], _TODO_HEADER, *lines[at:]]


def _without_blank(lines: Sequence[str]) -> Sequence[str]:
    return lines[1:] if lines and not lines[0].strip() else lines


def pristine(catalog: Catalog, exercise: Exercise, file: str) -> str:
    """The stub of one learner's file, from its reference. Raises StubError."""
    path = catalog.solution_file(exercise, file)
    name = path.relative_to(catalog.root).as_posix()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StubError(
            f"{name}: does not exist, and exercise {exercise.id} has this file"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StubError(f"{name}: cannot be read: {error}") from error
    return derive(text, exercise.id, name)


def check_all(root: Path) -> tuple[Difference, ...]:
    """Each learner's file that is not the stub of its reference. Writes nothing."""
    catalog = catalog_module.load(root)
    differences = []
    for exercise in catalog.exercises:
        for file in exercise.files:
            found = _difference(catalog, exercise, file)
            if found:
                differences.append(found)
    return tuple(differences)


def _difference(catalog: Catalog, exercise: Exercise, file: str) -> Difference | None:
    path = catalog.learner_file(exercise, file)
    name = path.relative_to(catalog.root).as_posix()
    try:
        wanted = pristine(catalog, exercise, file)
    except StubError as error:
        return Difference(name, str(error), "")
    try:
        present = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Difference(name, "does not exist", "")
    except (OSError, UnicodeDecodeError) as error:
        return Difference(name, f"cannot be read: {error}", "")
    if present == wanted:
        return None
    diff = difflib.unified_diff(
        present.splitlines(keepends=True),
        wanted.splitlines(keepends=True),
        name,
        "derived from the solution",
    )
    return Difference(name, "is not the stub of its solution", "".join(diff))


def write_all(root: Path) -> tuple[Path, ...]:
    """Writes every stub that changed, keeping a copy of what stood there. Returns what it wrote.

    A reference that has an error does not stop the others; StubError, raised at the end, has them all.
    """
    catalog = catalog_module.load(root)
    checkout = find_checkout(root)
    copies = backups.new_folder(checkout)
    written: list[Path] = []
    errors: list[str] = []
    for exercise in catalog.exercises:
        for file in exercise.files:
            path = catalog.learner_file(exercise, file)
            try:
                text = pristine(catalog, exercise, file)
            except StubError as error:
                errors.append(str(error))
                continue
            if _replace(checkout, copies, path, text):
                written.append(path)
    if errors:
        raise StubError("\n".join(errors))
    return tuple(written)


def _replace(checkout: Checkout, copies: Path, path: Path, text: str) -> bool:
    old = path.read_bytes() if path.is_file() else None
    if old == text.encode():
        return False
    if old is not None:
        # In a learner's checkout the file may be hours of work, so it is never lost.
        copy = copies / checkout.relative(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(old)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True
