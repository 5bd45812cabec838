"""A runtime to take home: a header-only CMake project, for programs outside of this checkout.

Its headers are those that rt/rt.h includes, directly or through others. What only the course has a
use for is not among them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coursekit.building import overlay
from coursekit.course import folders, sources, stubs
from coursekit.course.catalog import Catalog, Exercise, id_key
from coursekit.course.paths import Checkout
from coursekit.errors import MENDABLE, USAGE, CourseError

FACE = "rt/rt.h"


# Words that belong to the course, and to no runtime.
OF_THE_COURSE = re.compile(
    r"\bexercises?\b|\blessons?\b|\bstubs?\b|SOLUTION|TODO|\bmodules? \d", re.IGNORECASE
)

# What stands around the headers. A name that ends with .j2 is a jinja2 template, the rest is copied.
_AROUND = Path(__file__).resolve().parents[1] / "exported"


@dataclass(frozen=True)
class Header:
    path: Path
    text: str  # without the marks of the course


@dataclass(frozen=True)
class Plan:
    mine: bool  # the learner's; else the reference
    headers: Mapping[str, Header]  # by the name that programs include
    left_out: tuple[str, ...] = ()  # stretch exercises that are not written: ids

    @property
    def libraries(self) -> tuple[str, ...]:
        """Abseil's targets that the headers need."""
        included = {
            name for header in self.headers.values() for name in sources.included(header.text)
        }
        return tuple(sorted({library(name) for name in included if name.startswith("absl/")}))

    @property
    def lines(self) -> int:
        return sum(header.text.count("\n") for header in self.headers.values())


def library(header: str) -> str:
    """The CMake target that has a header of Abseil. Most are called what their header is called."""
    path = PurePosixPath(header)
    folder = path.parts[1]
    if folder in ("strings", "time") and path.stem not in ("cord", "str_format"):
        return f"absl::{folder}"
    return f"absl::{path.stem}"


def planned(checkout: Checkout, catalog: Catalog, mine: bool) -> Plan:
    """What goes in. Raises CourseError if something of it is not written yet."""
    choice: overlay.Choice = "learner" if mine else "solutions"
    picks = overlay.plan(catalog, catalog.modules[-1], None, choice, choice).headers
    if FACE not in picks:
        raise CourseError(
            f"{FACE} belongs to the last module of the course, and this copy ends with "
            f"{catalog.modules[-1].name}: there is no whole runtime to export.",
            USAGE,
        )
    owners = {
        file.removeprefix("include/"): exercise
        for exercise in catalog.exercises
        for file in exercise.files
    }
    texts = {name: sources.read(pick.path) for name, pick in picks.items()}
    stars = {
        name: owner.id
        for name, owner in owners.items()
        if owner.stretch and sources.unwritten(texts.get(name, ""), owner.id)
    }
    gone = {name for name in sources.included(texts[FACE]) if _reached(texts, name) & stars.keys()}
    texts[FACE] = _without(texts[FACE], gone)
    reached = _reached(texts, FACE)
    _require_written(checkout, {name: picks[name].path for name in reached}, owners, mine)
    left_out = {stars[star] for name in gone for star in _reached(texts, name) & stars.keys()}
    return Plan(
        mine,
        {name: Header(picks[name].path, stubs.finished(texts[name])) for name in sorted(reached)},
        tuple(sorted(left_out, key=id_key)),
    )


def _without(face: str, gone: Set[str]) -> str:
    """The face without these headers: neither included, nor in its index."""
    names = "|".join(map(re.escape, sorted(gone)))
    lines = rf'^(?:#include "(?:{names})"|// +(?:{names}) .*)\n'
    return re.sub(lines, "", face, flags=re.MULTILINE) if gone else face


def _reached(texts: Mapping[str, str], start: str) -> set[str]:
    """The headers that a program gets by including this one."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in found or name == stubs.TODO or name not in texts:
            continue  # a name that nobody has: the compiler will say so
        found.add(name)
        waiting += sources.included(texts[name])
    return found


def _require_written(
    checkout: Checkout, paths: Mapping[str, Path], owners: Mapping[str, Exercise], mine: bool
) -> None:
    unwritten: set[str] = set()
    for name, path in sorted(paths.items()):
        exercise = owners.get(name)
        if exercise is None:
            continue
        if problem := sources.problem(path, checkout.relative(path), exercise.id):
            raise CourseError(problem, MENDABLE)
        if sources.unwritten(sources.read(path), exercise.id):
            unwritten.add(exercise.id)
    if not unwritten:
        return
    ids = sorted(unwritten, key=id_key)
    are = (
        f"Exercises {', '.join(ids[:-1])} and {ids[-1]} are" if ids[1:] else f"Exercise {ids[0]} is"
    )
    instead = (
        " Without --mine, the reference is exported." if mine and checkout.has_solutions else ""
    )
    raise CourseError(
        f"{are} not written yet, and a runtime has something of each. "
        f"`scripts/course check {ids[0]}` shows where to go on.{instead}"
    )


def make(checkout: Checkout, plan: Plan, folder: Path) -> None:
    """Writes the project. It appears as a whole, or not at all."""
    with folders.filled(folder) as temporary:
        for name, header in plan.headers.items():
            _write(temporary / "include" / name, header.text)
        for name, text in _around(plan):
            _write(temporary / name, text)
        shutil.copyfile(checkout.root / "LICENSE", temporary / "LICENSE")


def _around(plan: Plan) -> Iterator[tuple[str, str]]:
    import jinja2

    for path in sorted(_AROUND.rglob("*")):
        if not path.is_file():
            continue
        name, text = path.relative_to(_AROUND).as_posix(), path.read_text("utf-8")
        if path.suffix == ".j2":
            template = jinja2.Template(
                text, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True
            )
            name, text = name.removesuffix(".j2"), template.render(libraries=plan.libraries)
        yield name, text


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
