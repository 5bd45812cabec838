"""A folder outside of the checkout that a command fills."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coursekit.course.paths import Checkout
from coursekit.errors import MACHINE, USAGE, CourseError


def new_folder(checkout: Checkout, folder: Path) -> Path:
    """The folder to write, which has to be empty or not there yet."""
    folder = Path(os.path.abspath(folder.expanduser()))
    if folder.resolve().is_relative_to(checkout.root):
        raise CourseError(
            f"{folder} is inside this checkout. Name a folder outside of {checkout.root}.", USAGE
        )
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise CourseError(
            f"{folder} is not a folder. Name one that is empty, or that does not exist yet.", USAGE
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise CourseError(
            f"{folder} is not empty, and nothing in it is to be overwritten. Name another folder.",
            USAGE,
        )
    return folder


@contextmanager
def filled(folder: Path) -> Iterator[Path]:
    """Gives a folder to write in, which then becomes `folder`: that appears as a whole, or not at all."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        temporary.rename(folder)  # onto an empty folder too
    except OSError as error:
        raise CourseError(
            f"{folder} cannot be written: {error.strerror or error}.", MACHINE
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
