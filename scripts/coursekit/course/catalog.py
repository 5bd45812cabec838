"""What the course consists of: reads every module's exercises.toml and checks it.

Everything here is plain data. Nothing is cached, so a changed file is seen by the next `load`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Iterable, Literal, Sequence

from coursekit.errors import CourseError

TestKind = Literal["unit", "model", "stress", "system"]

# In the order in which they are run: the quickest to tell the learner something comes first.
TEST_SUFFIXES: tuple[tuple[TestKind, str], ...] = (
    ("unit", "_test.cc"),
    ("model", "_model_test.cc"),
    ("stress", "_stress_test.cc"),
    ("system", "_system_test.cc"),
)

_ID = re.compile(r"(\d+)\.(\d+)([a-z]?)")
_SLUG = re.compile(r"[a-z][a-z0-9_]*")
_MODULE = re.compile(r"module(\d+)-[a-z0-9-]+")
_KINDS = ("code", "write_the_test")


class CatalogError(CourseError):
    """Something in the course's own files is wrong. The message says which file and what to do."""


class UnknownId(CatalogError):
    """Nothing in the course has this id. `nearest` holds what was probably meant, best first."""

    def __init__(self, asked: str, nearest: Sequence[str]) -> None:
        self.asked = asked
        self.nearest = tuple(nearest)
        hint = f" Did you mean {' or '.join(self.nearest)}?" if nearest else ""
        super().__init__(
            f"there is no exercise {asked!r}.{hint} `scripts/course status` lists them"
        )


@dataclass(frozen=True)
class Forbid:
    pattern: str
    hint: str


@dataclass(frozen=True)
class Exercise:
    id: str
    slug: str
    title: str
    module: str  # the module's folder
    files: tuple[str, ...]  # the learner's, relative to the module
    needs: tuple[str, ...]  # direct needs
    points: int
    minutes: int
    stretch: bool
    kind: str
    forbid: tuple[Forbid, ...]
    parts: tuple[str, ...] = ()  # of its unit tests, which are compiled side by side

    @property
    def headers(self) -> tuple[str, ...]:
        return tuple(f for f in self.files if f.endswith(".h"))

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(f for f in self.files if f.endswith(".cc"))


@dataclass(frozen=True)
class TestFile:
    exercise: str
    kind: TestKind
    path: Path

    __test__ = False  # pytest would take the name for a test class

    @property
    def target(self) -> str:
        return self.path.stem


@dataclass(frozen=True)
class Demo:
    name: str
    module: str
    path: Path
    target: str


@dataclass(frozen=True)
class Module:
    name: str  # the folder: module1-executor
    number: int
    title: str
    exercises: tuple[Exercise, ...]


@dataclass(frozen=True)
class Catalog:
    root: Path
    modules: tuple[Module, ...]
    left_out: frozenset[str] = frozenset()  # Kinds of tests that are not wanted.

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        return tuple(e for m in self.modules for e in m.exercises)

    def module(self, name: str) -> Module:
        """By folder (`module1-executor`) or by number (`module1`)."""
        for module in self.modules:
            if name in (module.name, f"module{module.number}"):
                return module
        names = [m.name for m in self.modules] + [f"module{m.number}" for m in self.modules]
        raise UnknownId(name, difflib.get_close_matches(name, names, n=1))

    def exercise(self, name: str) -> Exercise:
        """By id (`1.6`) or slug (`block_on`)."""
        for exercise in self.exercises:
            if name in (exercise.id, exercise.slug):
                return exercise
        raise UnknownId(name, self.nearest(name))

    def select(self, names: Iterable[str]) -> tuple[Exercise, ...]:
        """The exercises that `1.6`, `block_on`, `module1` and `all` name, each once, in course order."""
        wanted: set[str] = set()
        for name in names:
            if name == "all":
                wanted.update(e.id for e in self.exercises)
            elif name.startswith("module"):
                wanted.update(e.id for e in self.module(name).exercises)
            else:
                wanted.add(self.exercise(name).id)
        return tuple(e for e in self.exercises if e.id in wanted)

    def nearest(self, name: str) -> list[str]:
        """Up to two ids that `name` may have been meant for, best first."""
        asked = _ID.fullmatch(name)
        if asked is not None:
            module, number = int(asked[1]), int(asked[2])
            same = [e for e in self.exercises if id_key(e.id)[0] == module]
            if same:
                return [min(same, key=lambda e: abs(id_key(e.id)[1] - number)).id]
            if self.exercises:
                return [min(self.exercises, key=lambda e: abs(id_key(e.id)[0] - module)).id]
        by_slug = {e.slug: e.id for e in self.exercises}
        found = difflib.get_close_matches(name.lower(), [*by_slug, *by_slug.values()], n=2)
        return list(dict.fromkeys(by_slug.get(f, f) for f in found))

    def closure(self, exercise: Exercise) -> tuple[Exercise, ...]:
        """The exercise and all that it needs, directly or through others, in course order."""
        wanted: set[str] = set()
        waiting = [exercise.id]
        while waiting:
            name = waiting.pop()
            if name not in wanted:
                wanted.add(name)
                waiting.extend(self.exercise(name).needs)
        return tuple(e for e in self.exercises if e.id in wanted)

    def learner_file(self, exercise: Exercise, file: str) -> Path:
        return self.root / exercise.module / file

    def solution_file(self, exercise: Exercise, file: str) -> Path:
        return self.root / "solutions" / exercise.module / file

    def tests(self, exercise: Exercise) -> tuple[TestFile, ...]:
        """The exercise's test files that exist, in the order in which to run them."""
        folder = self.root / exercise.module / "tests"
        found: list[tuple[TestKind, str]] = [*TEST_SUFFIXES]
        found[1:1] = [("unit", f"_{part}_test.cc") for part in exercise.parts]
        tests = [TestFile(exercise.id, kind, folder / (exercise.slug + end)) for kind, end in found]
        return tuple(
            test for test in tests if test.kind not in self.left_out and test.path.is_file()
        )

    def stages(self, exercise: Exercise) -> tuple[tuple[TestFile, ...], ...]:
        """The same by kind: a kind is run when the one before it has passed."""
        return tuple(tuple(some) for _, some in groupby(self.tests(exercise), lambda t: t.kind))

    def without(self, kind: str) -> Catalog:
        """The same course without its tests of this kind."""
        return replace(self, left_out=self.left_out | {kind})

    def demos(self) -> tuple[Demo, ...]:
        """Every demo. The echo server is in several modules: a shared name gets the module's number."""
        paths = [
            (module, path)
            for module in self.modules
            for path in sorted((self.root / module.name / "demo").glob("*.cc"))
        ]
        stems = [path.stem for _, path in paths]
        demos = []
        for module, path in paths:
            name = path.stem if stems.count(path.stem) == 1 else f"{path.stem}_{module.number}"
            demos.append(Demo(name, module.name, path, f"demo_{name}"))
        return tuple(demos)


def id_key(exercise_id: str) -> tuple[int, int, str]:
    """Sorts ids as people count them: 1.9 before 1.10, 3.7a before 3.7b."""
    match = _ID.fullmatch(exercise_id)
    if match is None:
        raise CatalogError(f"{exercise_id!r} is not an exercise id such as 1.6 or 3.7a")
    return int(match[1]), int(match[2]), match[3]


def load(root: Path) -> Catalog:
    """Reads module*/exercises.toml under `root`. Raises CatalogError for anything wrong in them."""
    files = sorted(root.glob("module*/exercises.toml"))
    if not files:
        raise CatalogError(
            f"{root} holds no module*/exercises.toml: is it a checkout of the course?"
        )
    modules = sorted((_load_module(file) for file in files), key=lambda m: m.number)
    catalog = Catalog(root, tuple(modules))
    _check_together(catalog)
    return catalog


def _load_module(file: Path) -> Module:
    where = f"{file.parent.name}/{file.name}"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{where}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{where} cannot be read: {error}") from error

    folder = _MODULE.fullmatch(file.parent.name)
    if folder is None:
        raise CatalogError(f"{where}: the folder is not named moduleN-name")
    _known_keys(data, where, required=("module", "title", "exercise"))
    if data["module"] != file.parent.name:
        raise CatalogError(
            f"{where}: module = {data['module']!r}, and the folder is {file.parent.name!r}"
        )
    if not isinstance(data["exercise"], list):
        raise CatalogError(f"{where}: write [[exercise]], with two brackets")
    number = int(folder[1])
    exercises = tuple(_load_exercise(e, file.parent.name, where) for e in data["exercise"])
    for exercise in exercises:
        if id_key(exercise.id)[0] != number:
            raise CatalogError(f"{where}: exercise {exercise.id} belongs to another module")
    if list(exercises) != sorted(exercises, key=lambda e: id_key(e.id)):
        raise CatalogError(f"{where}: the exercises do not stand in the order of their ids")
    return Module(file.parent.name, number, _text(data, "title", where), exercises)


def _load_exercise(data: Any, module: str, where: str) -> Exercise:
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        raise CatalogError(f"{where}: an [[exercise]] has no id, or one without quotes")
    where = f"{where}: exercise {data['id']}"
    _known_keys(
        data,
        where,
        required=("id", "slug", "title", "files", "points", "minutes"),
        optional=("needs", "stretch", "kind", "forbid", "parts"),
    )
    if _ID.fullmatch(data["id"]) is None:
        raise CatalogError(f"{where}: an id looks like 1.6 or 3.7a")
    slug = _text(data, "slug", where)
    if _SLUG.fullmatch(slug) is None:
        raise CatalogError(
            f"{where}: slug {slug!r} is not in small letters, digits and underscores"
        )
    files = _texts(data, "files", where)
    if not files:
        raise CatalogError(f"{where}: files is empty, and a learner needs one to write in")
    for name in files:
        if re.fullmatch(r"include/rt/\w+/\w+\.h|src/\w+\.cc", name) is None:
            raise CatalogError(
                f"{where}: file {name!r} is neither include/rt/ROOM/NAME.h nor src/NAME.cc"
            )
    kind = data.get("kind", "code")
    if kind not in _KINDS:
        raise CatalogError(f"{where}: kind {kind!r} is none of {', '.join(_KINDS)}")
    parts = _texts(data, "parts", where) if "parts" in data else ()
    if wrong := [p for p in parts if not _SLUG.fullmatch(p) or p in ("model", "stress", "system")]:
        raise CatalogError(f"{where}: {wrong[0]!r} is no name for a part of its unit tests")
    stretch = data.get("stretch", False)
    if not isinstance(stretch, bool):
        raise CatalogError(f"{where}: stretch is neither true nor false")
    return Exercise(
        id=data["id"],
        slug=slug,
        title=_text(data, "title", where),
        module=module,
        files=files,
        needs=_texts(data, "needs", where) if "needs" in data else (),
        points=_count(data, "points", where),
        minutes=_count(data, "minutes", where),
        stretch=stretch,
        kind=kind,
        forbid=_forbids(data.get("forbid", []), where),
        parts=parts,
    )


def _forbids(data: Any, where: str) -> tuple[Forbid, ...]:
    if not isinstance(data, list):
        raise CatalogError(f"{where}: forbid is not a list of {{ pattern, hint }}")
    forbids = []
    for entry in data:
        if not isinstance(entry, dict):
            raise CatalogError(f"{where}: forbid is not a list of {{ pattern, hint }}")
        _known_keys(entry, f"{where}, forbid", required=("pattern", "hint"))
        forbid = Forbid(_text(entry, "pattern", where), _text(entry, "hint", where))
        try:
            re.compile(forbid.pattern)
        except re.error as error:
            raise CatalogError(
                f"{where}: pattern {forbid.pattern!r} is no regex: {error}"
            ) from error
        forbids.append(forbid)
    return tuple(forbids)


def _check_together(catalog: Catalog) -> None:
    """What one exercise alone cannot show: names that clash, files with two owners, needs."""
    ids: set[str] = set()
    slugs: dict[str, str] = {}
    owners: dict[str, str] = {}
    for exercise in catalog.exercises:
        where = f"{exercise.module}/exercises.toml: exercise {exercise.id}"
        if exercise.id in ids:
            raise CatalogError(f"{where} occurs twice")
        if exercise.slug in slugs:
            raise CatalogError(
                f"{where}: exercise {slugs[exercise.slug]} has the slug {exercise.slug!r} too"
            )
        for file in exercise.files:
            # A header is included as rt/ROOM/NAME.h, so that is unique in the whole course.
            name = file if file.endswith(".h") else f"{exercise.module}/{file}"
            if name in owners:
                raise CatalogError(f"{where}: {file} already belongs to exercise {owners[name]}")
            owners[name] = exercise.id
        for need in exercise.needs:
            if need == exercise.id:
                raise CatalogError(f"{where} needs itself")
            if need not in ids:
                later = any(e.id == need for e in catalog.exercises)
                says = "comes later" if later else "does not exist"
                raise CatalogError(f"{where}: needs {need}, which {says}")
        ids.add(exercise.id)
        slugs[exercise.slug] = exercise.id


def _known_keys(
    data: dict[str, Any], where: str, required: Sequence[str], optional: Sequence[str] = ()
) -> None:
    for key in required:
        if key not in data:
            raise CatalogError(f"{where}: {key} is missing")
    for key in data:
        if key not in required and key not in optional:
            near = difflib.get_close_matches(key, [*required, *optional], n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise CatalogError(f"{where}: unknown key {key!r}.{hint}")


def _text(data: dict[str, Any], key: str, where: str) -> str:
    value = data[key]
    if not isinstance(value, str) or not value.strip():
        raise CatalogError(f"{where}: {key} is not a text")
    return value


def _texts(data: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = data[key]
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise CatalogError(f"{where}: {key} is not a list of texts")
    return tuple(value)


def _count(data: dict[str, Any], key: str, where: str) -> int:
    value = data[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CatalogError(f"{where}: {key} is not a number above zero")
    return value
