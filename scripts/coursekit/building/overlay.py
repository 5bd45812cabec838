"""Decides which copy of each file a test is built from.

Checking an exercise uses the learner's files of that exercise; everything else comes from the
reference or from the learner, as RT_PRIOR says. For every exercise this writes a folder of
forwarding headers, `overlay/<slug>/rt/ROOM/*.h`, which is first and alone in the include path of that
exercise's tests.

Files are written only when they change, so configuring again rebuilds nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Mapping, Sequence

from coursekit.course.catalog import Catalog, Exercise, Module

Choice = Literal["learner", "solutions"]


@dataclass(frozen=True)
class Pick:
    """The file that stands for one name. When it does not exist, `reset` is the exercise that owns it."""

    path: Path
    reset: str | None = None


@dataclass(frozen=True)
class Plan:
    """One include path: every rt header that may be seen, and every given or learner's .cc."""

    headers: Mapping[str, Pick]  # by the name that others include
    sources: tuple[Pick, ...]


def choose(catalog: Catalog, exercise: Exercise, file: str, choice: Choice) -> Pick:
    """The learner's copy or the reference. A handout has no reference: then it is the learner's."""
    reference = catalog.solution_file(exercise, file)
    if choice == "solutions" and reference.is_file():
        return Pick(reference)
    mine = catalog.learner_file(exercise, file)
    return Pick(mine) if mine.is_file() else Pick(mine, reset=exercise.id)


def plan(
    catalog: Catalog,
    module: Module,
    subject: Exercise | None,
    subject_from: Choice,
    prior_from: Choice,
) -> Plan:
    """What a test of `subject` sees; without a subject (a demo), everything is `prior_from`."""
    headers: dict[str, Pick] = {}
    sources: dict[str, Pick] = {}
    linked = catalog.closure(subject) if subject else catalog.exercises
    for earlier in catalog.modules:
        if earlier.number > module.number:
            continue
        folder = catalog.root / earlier.name
        owned = {file: e for e in earlier.exercises for file in e.files}
        # A later module's given header or source takes the place of an earlier one's.
        for path in sorted((folder / "include").glob("rt/**/*.h")):
            name = path.relative_to(folder / "include").as_posix()
            if f"include/{name}" not in owned:
                headers[name] = Pick(path)
        for path in sorted((folder / "src").glob("*.cc")):
            if f"src/{path.name}" not in owned:
                sources[path.name] = Pick(path)
        for file, exercise in owned.items():
            # An earlier module has it as given code that does little, for all who do not need more.
            if file.removeprefix("include/") in headers and exercise not in linked:
                continue
            choice = subject_from if exercise == subject else prior_from
            pick = choose(catalog, exercise, file, choice)
            if pick.reset and _not_written_yet(catalog, exercise, file):
                continue
            if file.endswith(".h"):
                headers[file.removeprefix("include/")] = pick
            elif exercise in linked:
                sources[Path(file).name] = pick
    return Plan(headers, tuple(sources[name] for name in sorted(sources)))


def _not_written_yet(catalog: Catalog, exercise: Exercise, file: str) -> bool:
    """The maintainers have the module's reference, but not this file: nobody deleted it."""
    module = catalog.root / "solutions" / exercise.module
    return module.is_dir() and not catalog.solution_file(exercise, file).is_file()


def skip_reason(catalog: Catalog, exercise: Exercise) -> str | None:
    """Why nothing can be built for the exercise in this tree; None when something can."""
    if not catalog.tests(exercise):
        return f"{exercise.module}/tests/{exercise.slug}_test.cc does not exist"
    for file in exercise.files:
        missing = not catalog.learner_file(exercise, file).is_file()
        if missing and _not_written_yet(catalog, exercise, file):
            return f"{exercise.module}/{file} does not exist"
    return None


def missing_text(root: Path, pick: Pick) -> str:
    """Stands in for a learner's file that is gone: compiling it says which, and how to get it back."""
    name = pick.path.relative_to(root).as_posix()
    return (
        f'#line 1 "{pick.path}"\n'
        f"#error {name} is missing. scripts/course reset {pick.reset} brings it back.\n"
    )


class Writer:
    """Writes files under one folder, each only when it changes, and forgets nothing it wrote."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._wanted: set[Path] = set()

    def write(self, name: str, text: str) -> Path:
        path = self.out / name
        self._wanted.add(path)
        try:
            if path.read_text(encoding="utf-8") == text:
                return path
        except (OSError, UnicodeDecodeError):
            pass
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place: a compiler that runs at this moment sees the old file or the new one.
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        return path

    def remove_others(self, folder: str) -> None:
        """Removes what an earlier run left in `folder` and this run did not write."""
        for path in sorted((self.out / folder).rglob("*")):
            if path.is_file() and path not in self._wanted:
                path.unlink()


def write_plan(root: Path, writer: Writer, name: str, plan: Plan) -> tuple[Path, list[Path]]:
    """Writes the forwarding headers of one include path. Returns its folder and the sources to link."""
    for header, pick in plan.headers.items():
        target = f"{name}/{header}"
        if pick.reset:
            writer.write(target, missing_text(root, pick))
        else:
            writer.write(target, f'#pragma once\n#include "{pick.path}"\n')
    sources = []
    for pick in plan.sources:
        if pick.reset:
            sources.append(
                writer.write(f"{name}/missing/{pick.path.name}", missing_text(root, pick))
            )
        else:
            sources.append(pick.path)
    writer.remove_others(name)
    return writer.out / name, sources


def cmake_quote(text: str) -> str:
    """A bracket argument: CMake then reads no escapes and no variables in a path."""
    return f"[==[{text}]==]"


def cmake_call(function: str, **arguments: str | Sequence[Path]) -> str:
    lines = [f"{function}("]
    for key, value in arguments.items():
        values = [value] if isinstance(value, str) else [str(path) for path in value]
        lines.append(f"  {key} " + " ".join(cmake_quote(v) for v in values))
    return "\n".join(lines) + ")\n"
