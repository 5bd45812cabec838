"""Tells CMake how the wrong solutions are built, with as little work as possible for each.

A mutant differs from the reference in one file. So its include path is a folder with that file,
before the exercise's own; its program holds the one test that the mutant names; and what that test
includes and no mutant of the exercise can change is compiled once, ahead of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coursekit.building import overlay
from coursekit.building.overlay import Plan, Writer
from coursekit.course import mutants as mutants_module
from coursekit.course import purposes
from coursekit.course.catalog import Catalog, Exercise, Module, TestFile
from coursekit.course.mutants import Mutant, MutantError
from coursekit.course.sources import included

AIMED = (
    "aimed"  # each mutant with the one test that it names; else the names of those built in full
)

_WORTH_A_HEADER = 9  # so many programs of a test file pay for compiling its headers ahead


def calls(catalog: Catalog, module: Module, writer: Writer, wanted: str) -> list[str]:
    """What CMake is to build of a module's mutants. All else in them is the reference."""
    named = frozenset(wanted.split(","))
    made = []
    everything = mutants_module.load(catalog, module)
    for exercise in module.exercises:
        some = mutants_module.of_exercise(everything, exercise)
        if wanted != AIMED:
            some = tuple(mutant for mutant in some if mutant.name in named)
        if some and not overlay.skip_reason(catalog, exercise):
            made += _Exercise(catalog, module, exercise, writer).calls(some, wanted == AIMED)
    return made


@dataclass(frozen=True)
class _Exercise:
    """The mutants of one exercise."""

    catalog: Catalog
    module: Module
    exercise: Exercise
    writer: Writer

    def calls(self, some: Sequence[Mutant], aimed: bool) -> list[str]:
        plan = overlay.plan(self.catalog, self.module, self.exercise, "solutions", "solutions")
        name = f"mutants/{self.exercise.slug}"
        folder, sources = overlay.write_plan(self.catalog.root, self.writer, name, plan)
        made = []
        at = {mutant: mutants_module.aimed_at(self.catalog, mutant) for mutant in some}
        shared: dict[TestFile, str] = {}
        for test in self.catalog.tests(self.exercise) if aimed else ():
            if list(at.values()).count(test) >= _WORTH_A_HEADER:
                shared[test] = f"course_pch_{test.target}"
                made.append(self._headers(shared[test], test, plan, folder))
        for mutant in some:
            wrong = self._write(mutant)
            own = [wrong if path.name == wrong.name else path for path in sources]
            tests = (at[mutant],) if aimed else self.catalog.tests(self.exercise)
            for tested in filter(None, tests):
                made.append(self._call(mutant, tested, aimed, folder, own, shared.get(tested, "")))
        return made

    def _call(
        self,
        mutant: Mutant,
        test: TestFile,
        aimed: bool,
        folder: Path,
        sources: Sequence[Path],
        headers: str,
    ) -> str:
        source, target, beside = test.path, mutants_module.target(mutant, test), ""
        if aimed:
            text = purposes.alone(test.path.read_text(encoding="utf-8"), mutant.by)
            source = self.writer.write(f"mutant-{mutant.name}/aimed/{test.path.name}", text)
            target, beside = mutants_module.aimed_target(mutant), str(test.path.parent)
        return overlay.cmake_call(
            "course_mutant",
            TARGET=target,
            KIND=test.kind,
            MUTATED=str(self.writer.out / f"mutant-{mutant.name}/mutated"),
            OVERLAY=str(folder),
            BESIDE=beside,
            HEADERS=headers,
            SOURCES=[source, *sources],
        )

    def _write(self, mutant: Mutant) -> Path:
        """The wrong file, by the name by which others include it."""
        try:
            text = mutants_module.apply(self.catalog, mutant)
        except MutantError as error:
            # Said by the compiler and not here, so that one stale mutant does not stop the others.
            text = f"#error {error}\n"
        name = mutant.file.removeprefix("include/").removeprefix("src/")
        return self.writer.write(f"mutant-{mutant.name}/mutated/{name}", text)

    def _headers(self, target: str, test: TestFile, plan: Plan, folder: Path) -> str:
        own = {self.catalog.solution_file(self.exercise, file) for file in self.exercise.files}
        kit = self.catalog.root / "scripts/testkit"
        # The world of the model checker is seen by model tests alone.
        folders = [kit / "include"] + [kit / "model/include"] * (test.kind == "model")
        includes = _Includes(plan, folders)
        kept = [n for n in includes.under(test.path) if includes.can_stand_before(n, own)]
        text = "".join(f'#include "{name}"\n' for name in kept)
        header = self.writer.write(f"headers/{test.target}.h", text)
        return overlay.cmake_call(
            "course_mutant_headers",
            TARGET=target,
            KIND=test.kind,
            OVERLAY=str(folder),
            HEADER=str(header),
        )


@dataclass
class _Includes:
    """Which headers of the course and of the test kit a file includes, by the names they are included by."""

    plan: Plan
    test_kit: Sequence[Path]
    _below: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def under(self, file: Path) -> list[str]:
        """All that it includes, directly or not, each before what includes it."""
        found: dict[str, None] = {}
        self._collect(self._named_in(file), found)
        return list(found)

    def can_stand_before(self, name: str, files: set[Path]) -> bool:
        """Whether it includes none of these files, directly or not, and nothing that the module does not have."""
        path = self._path(name)
        if path is None:
            return not name.startswith("rt/")
        below = self._includes(name)
        return path not in files and all(self.can_stand_before(n, files) for n in below)

    def _collect(self, names: Sequence[str], found: dict[str, None]) -> None:
        for name in names:
            if self._path(name) and name not in found:
                self._collect(self._includes(name), found)
                found[name] = None

    def _includes(self, name: str) -> tuple[str, ...]:
        if name not in self._below:
            self._below[name] = ()  # of two that include each other, the second adds nothing
            path = self._path(name)
            self._below[name] = self._named_in(path) if path else ()
        return self._below[name]

    def _named_in(self, file: Path) -> tuple[str, ...]:
        return tuple(self._names(file, set()))

    def _names(self, file: Path, seen: set[Path]) -> Iterator[str]:
        seen.add(file)
        for name in included(file.read_text(encoding="utf-8")):
            beside = file.parent / name
            if self._path(name) or name.startswith("rt/"):
                yield name
            elif beside.is_file() and beside not in seen:
                yield from self._names(beside, seen)  # a part of the test itself

    def _path(self, name: str) -> Path | None:
        if name in self.plan.headers:
            return self.plan.headers[name].path
        found = (folder / name for folder in self.test_kit)
        return next((path for path in found if path.is_file()), None)
