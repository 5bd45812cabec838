"""What an instructor gives a class: a copy of the course without what gives the answers away.

What is copied is named here, not what is left out: a folder that nobody thought of stays at home.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coursekit.course import catalog as catalogs
from coursekit.course import folders, lessons, pristine, stubs
from coursekit.course.catalog import Catalog, Module
from coursekit.course.paths import Checkout
from coursekit.errors import MENDABLE, USAGE, CourseError

_TOP_FILES = (
    "CMakeLists.txt",
    "CMakePresets.json",
    "README.md",
    "LICENSE",
    ".clang-format",
    ".clang-tidy",
    ".gitattributes",
    ".gitignore",
)
_TOP_FOLDERS = ("scripts", ".devcontainer")

# Of scripts/: what proves or makes the course needs the solutions, so a class can do nothing with it.
_AT_HOME = (
    "scripts/coursekit/tests",
    "scripts/coursekit/selftest",
    "scripts/coursekit/course/handouts.py",
    "scripts/coursekit/commands/handout.py",
    "scripts/coursekit/commands/selftest.py",
    "scripts/coursekit/commands/stubs.py",
    "scripts/coursekit/commands/grade.py",
    "scripts/coursekit/grade",
    "scripts/visualizer/tests",
    "scripts/visualizer/truth",
    "scripts/testkit/model/tests",
    "scripts/testkit/model/threads",
    "scripts/testkit/tests",
    "scripts/testkit/CMakeLists.txt",
)

# The commands that stay at home with their files.
_COMMANDS_AT_HOME = tuple(PurePosixPath(p).stem for p in _AT_HOME if "/commands/" in p)

# Of solutions/moduleN: the reference and its notes. Hidden tests stay, whatever they are called.
_REFERENCE = ("include", "src", "NOTES.md")

# Sections of the top README that speak to nobody in a class.
_README_SECTIONS = ("For instructors", "For maintainers")

_NEVER = {
    "__pycache__",
    ".git",
    ".course",
    "build",
    ".mypy_cache",
    ".pytest_cache",
    ".cache",
    "node_modules",
}


@dataclass(frozen=True)
class Plan:
    modules: tuple[Module, ...]
    with_solutions: tuple[Module, ...]
    files: tuple[str, ...]  # to be copied as they are, relative to the checkout
    left_out: tuple[str, ...]  # not in git, though the folder they are in is copied


@dataclass(frozen=True)
class Made:
    folder: Path
    plan: Plan
    unlinked: tuple[tuple[str, int], ...]  # Markdown file, links that became text


def planned(
    checkout: Checkout, catalog: Catalog, through: str | None, with_solutions: Sequence[str]
) -> Plan:
    """What goes in. Raises CourseError for what cannot be done."""
    last = catalog.module(through) if through else catalog.modules[-1]
    modules = tuple(module for module in catalog.modules if module.number <= last.number)
    given = tuple(dict.fromkeys(catalog.module(name) for name in with_solutions))
    for module in given:
        if module not in modules:
            raise CourseError(
                f"--with-solutions {module.name}: that module is not in a handout that ends with {last.name}.",
                USAGE,
            )
    tracked, left_out = _files(checkout.root)
    wanted = tuple(name for name in tracked if _belongs(PurePosixPath(name), modules, given))
    lost = tuple(name for name in left_out if _belongs(PurePosixPath(name), modules, given))
    own = {f"{e.module}/{f}" for e in catalog.exercises for f in e.files}
    return Plan(
        modules,
        given,
        tuple(n for n in wanted if n not in own),
        tuple(n for n in lost if n not in own),
    )


def _files(root: Path) -> tuple[list[str], list[str]]:
    """(what git knows, what lies beside it). Without git: all that is there."""
    if (root / ".git").exists():
        known = pristine.git(root, "ls-files", "-z")
        beside = pristine.git(root, "ls-files", "-z", "--others", "--exclude-standard")
        if known is not None and beside is not None:
            names = [n for n in _split(known) if (root / n).is_file()]
            return sorted(set(names)), sorted(_split(beside))
    return sorted(_walk(root)), []


def _split(answer: bytes) -> list[str]:
    return [os.fsdecode(name) for name in answer.split(b"\0") if name]


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _NEVER)
        for name in files:
            yield Path(folder, name).relative_to(root).as_posix()


def _belongs(path: PurePosixPath, modules: Sequence[Module], given: Sequence[Module]) -> bool:
    if any(part in _NEVER for part in path.parts) or path.suffix == ".pyc":
        return False
    top = path.parts[0]
    if len(path.parts) == 1:
        return top in _TOP_FILES
    if top == "solutions":
        return (
            path.parts[1] in (m.name for m in given)
            and len(path.parts) > 2
            and path.parts[2] in _REFERENCE
        )
    if top in (m.name for m in modules):
        return True
    return top in _TOP_FOLDERS and not any(path.is_relative_to(home) for home in _AT_HOME)


def make(checkout: Checkout, catalog: Catalog, plan: Plan, folder: Path) -> Made:
    """Writes the handout. It appears as a whole, or not at all."""
    with folders.filled(folder) as temporary:
        _copy(checkout.root, plan.files, temporary)
        _write_stubs(catalog, plan, temporary)
        _adapt_readme(temporary, plan)
        unlinked = tuple(_unlink_all(temporary))
        _prove(temporary, plan)
    return Made(folder, plan, unlinked)


def _copy(root: Path, files: Sequence[str], to: Path) -> None:
    for name in files:
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target)
        target.chmod(
            target.stat().st_mode | 0o200
        )  # from a read-only checkout: a class writes in it


def _write_stubs(catalog: Catalog, plan: Plan, to: Path) -> None:
    """Derived from the reference: what the instructor tried out in this checkout is not handed out."""
    for module in plan.modules:
        for exercise in module.exercises:
            for file in exercise.files:
                target = to / module.name / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(stubs.pristine(catalog, exercise, file), "utf-8")


def without_sections(text: str, titles: Sequence[str]) -> str:
    """A README without some of its `##` sections."""
    out: list[str] = []
    skipping = False
    for _, line, inside in lessons.with_fences(text.split("\n")):
        if not inside and (match := re.match(r"(#{1,2}) +(.*?)\s*$", line)):
            skipping = match[2] in titles
        if not skipping:
            out.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out))


def without_commands(text: str, names: Sequence[str]) -> str:
    """A README without the rows of its tables that begin with one of these commands."""
    row = re.compile(rf"\|\s*`scripts/course (?:{'|'.join(names)})\b")
    return "\n".join(line for line in text.split("\n") if not row.match(line))


def note(plan: Plan) -> str:
    """What is different from the whole course, for the top of the README."""
    if plan.with_solutions:
        given = (
            "with the reference of "
            + " and ".join(module.name for module in plan.with_solutions)
            + " only"
        )
    else:
        given = "without the reference"
    return (
        f"This is a handout, {given}. Where there is none, an exercise is built on your own earlier ones: do them in order.\n"
        "`diff` and `--solutions`, of which the text speaks, work where there is a reference."
    )


def _adapt_readme(folder: Path, plan: Plan) -> None:
    path = folder / "README.md"
    if path.is_file():
        text = without_sections(path.read_text("utf-8"), _README_SECTIONS)
        text = without_commands(text, _COMMANDS_AT_HOME)
        path.write_text(
            re.sub(r"\A(# .*\n)", lambda title: f"{title[1]}\n{note(plan)}\n", text), "utf-8"
        )


def _unlink_all(folder: Path) -> Iterator[tuple[str, int]]:
    """In every Markdown file: a link to what is not in the handout becomes its text."""
    for path in sorted(folder.rglob("*.md")):
        name = path.relative_to(folder).as_posix()
        text = path.read_text("utf-8")
        dead = {target for _, target in lessons.dead_targets(lessons.parse(text, name), folder)}
        if dead:
            path.write_text(lessons.unlink(text, lambda target: target not in dead), "utf-8")
            yield name, len(dead)


def _prove(folder: Path, plan: Plan) -> None:
    """Reads the handout as a learner's command would, and looks for answers in it."""
    made = catalogs.load(folder)
    if [m.name for m in made.modules] != [m.name for m in plan.modules]:
        raise CourseError(
            "The handout would not hold the modules that it should. Is every exercises.toml in git?",
            MENDABLE,
        )
    for module in plan.modules:
        for path in sorted((folder / module.name).rglob("*")):
            if path.is_file() and b"BEGIN SOLUTION" in path.read_bytes():
                raise CourseError(
                    f"{path.relative_to(folder)} holds a marked solution, so no handout was made.",
                    MENDABLE,
                )
    for needed in (
        "scripts/course",
        "scripts/coursekit/__main__.py",
        "CMakeLists.txt",
        "CMakePresets.json",
    ):
        if not (folder / needed).is_file():
            raise CourseError(
                f"{needed} is not in git here, so a handout would not work. `git add` it first.",
                MENDABLE,
            )
