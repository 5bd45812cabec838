"""Wrong solutions, each of which a test of its own exercise must catch.

solutions/mutants/moduleN.toml says for each what is replaced in the reference. A mutant is never
stored as a whole file: it would go stale when the reference changes.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from coursekit.course import purposes
from coursekit.course.catalog import Catalog, Exercise, Module, TestFile, UnknownId
from coursekit.errors import CourseError

Expect = Literal["fail", "hang"]

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KEYS = ("name", "exercise", "file", "find", "replace", "why")


class MutantError(CourseError):
    """A mutant that cannot be used. The message says which, and what to do."""


@dataclass(frozen=True)
class Mutant:
    name: str  # says the bug
    module: str  # the folder
    exercise: str  # whose tests must kill it
    file: str  # relative to the module
    find: str  # occurs exactly once in the reference
    replace: str
    why: str  # why a learner would write it
    expect: Expect  # fail: a test fails, crashes or a sanitizer reports; hang: a test hangs
    by: str = ""  # Suite.Name of a test that has to notice it, for which it is compiled alone
    breaks: tuple[str, ...] = ()  # the sentences of the contract that it breaks, as "1.6 must 2"


@dataclass(frozen=True)
class Unbroken:
    """A sentence of the contract that no wrong solution can break."""

    sentence: str  # as in Mutant.breaks
    why: str


def toml_file(root: Path, module: Module) -> Path:
    return root / "solutions" / "mutants" / f"module{module.number}.toml"


def load(catalog: Catalog, module: Module) -> tuple[Mutant, ...]:
    """The mutants of one module; none when the module has no file of them."""
    where, data = _read(catalog, module)
    entries = data.get("mutant", [])
    if data.keys() - {"mutant", "unbroken"} or not isinstance(entries, list):
        raise MutantError(f"{where}: holds [[mutant]] and [[unbroken]] entries and nothing else")
    mutants = tuple(_load_one(catalog, module, entry, where) for entry in entries)
    seen: set[str] = set()
    for mutant in mutants:
        if mutant.name in seen:
            raise MutantError(f"{where}: the name {mutant.name!r} occurs twice")
        seen.add(mutant.name)
    return mutants


def load_unbroken(catalog: Catalog, module: Module) -> tuple[Unbroken, ...]:
    where, data = _read(catalog, module)
    entries = data.get("unbroken", [])
    found = []
    for entry in entries if isinstance(entries, list) else [None]:
        keys = entry.keys() if isinstance(entry, dict) else ()
        if set(keys) != {"sentence", "why"} or not all(
            isinstance(text, str) and text.strip() for text in entry.values()
        ):
            raise MutantError(f"{where}: an [[unbroken]] has a sentence and a why, both texts")
        found.append(Unbroken(entry["sentence"], entry["why"].strip()))
    return tuple(found)


def _read(catalog: Catalog, module: Module) -> tuple[str, dict[str, Any]]:
    """The file's name for messages, and what it holds; nothing when there is no such file."""
    file = toml_file(catalog.root, module)
    where = file.relative_to(catalog.root).as_posix()
    if not file.is_file():
        return where, {}
    try:
        return where, tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise MutantError(f"{where}: {error}") from error


def load_all(catalog: Catalog) -> tuple[Mutant, ...]:
    mutants = tuple(mutant for module in catalog.modules for mutant in load(catalog, module))
    owners: dict[str, str] = {}
    for mutant in mutants:
        other = owners.setdefault(mutant.name, mutant.module)
        if other != mutant.module:
            raise MutantError(f"{mutant.module} and {other} both have a mutant {mutant.name!r}")
    return mutants


def _load_one(catalog: Catalog, module: Module, entry: Any, where: str) -> Mutant:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise MutantError(f"{where}: a [[mutant]] has no name")
    name: str = entry["name"]
    where = f"{where}: mutant {name!r}"
    if _NAME.fullmatch(name) is None:
        raise MutantError(f"{where}: a name is small letters, digits and single dashes")
    for key in _KEYS:
        if not isinstance(entry.get(key), str):
            raise MutantError(f"{where}: {key} is missing, or not a text")
    for key in entry:
        if key not in (*_KEYS, "expect", "by", "breaks"):
            raise MutantError(f"{where}: unknown key {key!r}")
    expect = entry.get("expect", "fail")
    if expect not in ("fail", "hang"):
        raise MutantError(f"{where}: expect is 'fail' or 'hang', not {expect!r}")
    by = entry.get("by", "")
    if not isinstance(by, str):
        raise MutantError(f"{where}: by is not a text")
    breaks = entry.get("breaks", [])
    if not isinstance(breaks, list) or not all(isinstance(text, str) for text in breaks):
        raise MutantError(f"{where}: breaks is not a list of texts")
    if not entry["find"]:
        raise MutantError(f"{where}: find is empty")
    if entry["find"] == entry["replace"]:
        raise MutantError(f"{where}: find and replace are the same")
    if not entry["why"].strip():
        raise MutantError(f"{where}: why is empty")
    try:
        exercise = catalog.exercise(entry["exercise"])
    except UnknownId as error:
        raise MutantError(f"{where}: {error}") from error
    if exercise.module != module.name:
        raise MutantError(f"{where}: exercise {exercise.id} belongs to {exercise.module}")
    if entry["file"] not in exercise.files:
        raise MutantError(
            f"{where}: {entry['file']} is not a file of exercise {exercise.id} "
            f"(it has {', '.join(exercise.files)})"
        )
    return Mutant(
        name=name,
        module=module.name,
        exercise=exercise.id,
        file=entry["file"],
        find=entry["find"],
        replace=entry["replace"],
        why=entry["why"].strip(),
        expect=expect,
        by=by,
        breaks=tuple(breaks),
    )


def apply(catalog: Catalog, mutant: Mutant) -> str:
    """The wrong solution's text. Raises MutantError when the reference no longer has the place."""
    path = catalog.solution_file(catalog.exercise(mutant.exercise), mutant.file)
    name = path.relative_to(catalog.root).as_posix()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MutantError(f"mutant {mutant.name}: {name} cannot be read: {error}") from error
    count = text.count(mutant.find)
    if count == 0:
        raise MutantError(
            f"mutant {mutant.name}: its find text is not in {name}. "
            "The solution has changed: bring the mutant up to date"
        )
    if count > 1:
        raise MutantError(
            f"mutant {mutant.name}: its find text is in {name} {count} times. "
            "Take in more of the lines around it"
        )
    return text.replace(mutant.find, mutant.replace)


def target(mutant: Mutant, test: TestFile) -> str:
    """The CMake target (and binary) of one test file built with the mutant."""
    return f"mutant_{mutant.name}__{test.target}"


def aimed_target(mutant: Mutant) -> str:
    """The same with the one test that has to notice it, and no other."""
    return f"mutant_{mutant.name}__aimed"


def aimed_at(catalog: Catalog, mutant: Mutant) -> TestFile | None:
    """The test file that has the test which the mutant names; None when it names none, or none that there is."""
    tests = catalog.tests(catalog.exercise(mutant.exercise)) if mutant.by else ()
    return next((test for test in tests if mutant.by in _names_in(test.path)), None)


@cache  # Each of an exercise's mutants asks the same files.
def _names_in(file: Path) -> frozenset[str]:
    return frozenset(test.name for test in purposes.written_in(file.read_text(encoding="utf-8")))


def of_exercise(mutants: tuple[Mutant, ...], exercise: Exercise) -> tuple[Mutant, ...]:
    return tuple(mutant for mutant in mutants if mutant.exercise == exercise.id)
