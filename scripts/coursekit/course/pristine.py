"""The stub of a learner's file, as it was before anybody wrote in it.

In order: derived from the reference, where there is one; from git, the newest version that has the most
left to write; else the copy in .course/pristine/, kept when a command was first used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from coursekit.course import stubs
from coursekit.course.catalog import Catalog, Exercise
from coursekit.course.paths import Checkout

_GIT_VERSIONS = 200  # looked at, at most


def todos(content: bytes, exercise: Exercise) -> int:
    """How much of it is still to be written."""
    return content.count(f'RT_TODO("{exercise.id}")'.encode())


def kept_path(checkout: Checkout, exercise: Exercise, file: str) -> Path:
    return checkout.state / "pristine" / exercise.module / file


def keep(checkout: Checkout, catalog: Catalog) -> None:
    """Copies the stubs that no reference can bring back. A file that is written already is no stub.

    Called by every command; once the copies are there it only looks whether they are.
    """
    for exercise in catalog.exercises:
        for file in exercise.files:
            if catalog.solution_file(exercise, file).is_file():
                continue
            copy = kept_path(checkout, exercise, file)
            if copy.exists():
                continue
            try:
                content = catalog.learner_file(exercise, file).read_bytes()
                if todos(content, exercise):
                    replace(copy, content)
            except OSError:
                continue  # no file, or nowhere to keep it: reset says so, if it is ever asked


def content_of(checkout: Checkout, catalog: Catalog, exercise: Exercise, file: str) -> bytes | None:
    """The stub, or None when nothing is left to make it from."""
    if catalog.solution_file(exercise, file).is_file():
        return stubs.pristine(catalog, exercise, file).encode()
    found = fromgit(checkout.root, exercise, f"{exercise.module}/{file}")
    if found is not None:
        return found
    try:
        return kept_path(checkout, exercise, file).read_bytes()
    except OSError:
        return None


def fromgit(root: Path, exercise: Exercise, name: str) -> bytes | None:
    """Of the versions git has, the newest with the most left to write. None if all are finished."""
    log = git(root, "log", f"--max-count={_GIT_VERSIONS}", "--format=%H", "--", name)
    if log is None:
        return None
    best: tuple[int, bytes] | None = None
    for commit in log.decode("ascii", "replace").split():
        content = git(root, "show", f"{commit}:./{name}")
        if content is not None and (count := todos(content, exercise)) > (best[0] if best else 0):
            best = count, content
    return best[1] if best else None


def git(root: Path, *arguments: str) -> bytes | None:
    """What git prints; None when there is no git, or it refuses."""
    program = shutil.which("git")
    if program is None:
        return None
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    # A checkout that is mounted into a container often belongs to somebody else.
    command = [program, "-c", f"safe.directory={root}", "-C", str(root), *arguments]
    try:
        answer = subprocess.run(
            command, capture_output=True, check=False, env=environment, stdin=subprocess.DEVNULL
        )
    except OSError:
        return None
    return answer.stdout if answer.returncode == 0 else None


def replace(path: Path, content: bytes) -> None:
    """Writes in one step: a file is there as it was, or as it is to be, and never by half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
