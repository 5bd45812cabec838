"""course reset: the stub back; the learner's file is kept."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths
from coursekit.course.catalog import Catalog, Exercise
from coursekit.course.paths import Checkout
from coursekit.errors import MACHINE, MENDABLE, CourseError


@click.command(short_help="The stub back; your file is kept as a backup.")
@click.argument("name", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(name: str, yes: bool) -> int:
    """The stub back; your file is kept as a backup.

    ID is an exercise (1.6, or its name block_on). On a terminal it asks first.
    """
    checkout = paths.find_checkout()
    catalog = catalogs.load(checkout.root)
    exercise = catalog.exercise(name)
    changes = planned(checkout, catalog, exercise)
    if not changes:
        click.echo(
            f"{exercise.id} ({exercise.slug}) is as it was at the beginning: there is nothing to put back."
        )
        return 0
    if not (yes or assumed_yes()) and sys.stdin.isatty() and sys.stdout.isatty():
        for change in changes:
            click.echo(change.question(checkout))
        if not click.confirm("Put the stub back?"):
            click.echo("Nothing was changed.")
            return MENDABLE
    kept = apply(checkout, exercise, changes)
    for change in changes:
        click.echo(f"{checkout.relative(change.path)} is the stub again.")
    for backup in kept:
        click.echo(f"What stood there is kept: {checkout.relative(backup)}")
    return 0


def assumed_yes() -> bool:
    """The front of the command takes --yes wherever it stands, and says so in the environment."""
    return os.environ.get("COURSE_YES", "") not in ("", "0")


@dataclass(frozen=True)
class Change:
    path: Path
    stub: bytes
    present: bytes | None  # None: the file is gone

    def question(self, checkout: Checkout) -> str:
        name = checkout.relative(self.path)
        if self.present is None:
            return f"{name} is missing."
        lines = len(self.present.splitlines())
        return f"{name}, {lines} line{'' if lines == 1 else 's'} of yours, will be replaced. A copy is kept."


def planned(checkout: Checkout, catalog: Catalog, exercise: Exercise) -> list[Change]:
    """Which files have to be written. Nothing is, unless all of them can be."""
    from coursekit.course import pristine

    changes = []
    for file in exercise.files:
        path = catalog.learner_file(exercise, file)
        name = checkout.relative(path)
        stub = pristine.content_of(checkout, catalog, exercise, file)
        if stub is None:
            raise CourseError(
                f"There is no untouched copy of {name}: this checkout has no reference for {exercise.id}, git has no "
                "unfinished version of it, and it was written before the course was first used here. "
                "Take the file from where you got the course.",
                MENDABLE,
            )
        if path.is_dir() and not path.is_symlink():
            raise CourseError(
                f"{name} is a folder, and a file belongs there. Move the folder away, then try again."
            )
        try:
            present = path.read_bytes()
        except FileNotFoundError:
            present = None
        except PermissionError:
            raise CourseError(
                f"{name} cannot be read, so no copy of it could be kept. `chmod u+rw {name}` fixes that."
            ) from None
        if present != stub:
            changes.append(Change(path, stub, present))
    return changes


def apply(checkout: Checkout, exercise: Exercise, changes: list[Change]) -> list[Path]:
    """Keeps what is there, then writes the stubs. Returns the copies."""
    from coursekit.course import backups, pristine, progress

    kept = []
    folder = backups.new_folder(checkout)
    for change in changes:
        if change.present is not None:
            backup = folder / change.path.relative_to(checkout.root)
            try:
                pristine.replace(backup, change.present)
            except OSError as error:
                raise CourseError(
                    f"No copy of your file could be kept in {backup.parent} ({error.strerror}), so nothing was changed.",
                    MACHINE,
                ) from error
            kept.append(backup)
    for change in changes:
        try:
            # Through a link, if it is one: the file it points to is the learner's.
            pristine.replace(
                change.path.resolve() if change.path.exists() else change.path, change.stub
            )
        except OSError as error:
            raise CourseError(
                f"{checkout.relative(change.path)} cannot be written ({error.strerror}). "
                "A checkout that is mounted read-only can be checked, but not changed.",
                MACHINE,
            ) from error
    progress.update(checkout, {exercise.id: {"state": "todo"}})
    return kept
