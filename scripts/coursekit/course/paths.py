"""Where things are: the checkout, what we remember about it, and where it is built."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coursekit.errors import MACHINE, CourseError


@dataclass(frozen=True)
class Checkout:
    """A copy of the course on disk.

    A checkout that cannot be written to is still usable: its state and its builds then live in
    the user's cache folder, one folder per checkout.
    """

    root: Path
    state: Path  # progress, pristine stubs, the lock
    builds: Path  # build/<preset>
    read_only: bool

    @property
    def has_solutions(self) -> bool:
        """A handout has no solutions; exercises are then stacked on the learner's own work."""
        return any((self.root / "solutions").glob("module*-*/include")) or any(
            (self.root / "solutions").glob("module*-*/src")
        )

    def relative(self, path: str | Path) -> str:
        """The path as a person would type it from the top of the checkout."""
        absolute = Path(os.path.normpath(self.root / path))
        if absolute.is_relative_to(self.root):
            return str(absolute.relative_to(self.root))
        return str(path)


def cache_home() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME", "")
    if configured.startswith("/"):
        return Path(configured)
    return Path.home() / ".cache"


def _usable(folder: Path) -> bool:
    """True if the folder can be written to, or made."""
    if folder.exists():
        return os.access(folder, os.W_OK | os.X_OK)
    return os.access(folder.parent, os.W_OK | os.X_OK)


def find_checkout(root: Path | None = None) -> Checkout:
    """The checkout these scripts belong to (or the one at `root`)."""
    top = (root or Path(__file__).resolve().parents[3]).resolve()
    if _usable(top / ".course") and _usable(top / "build"):
        return Checkout(top, top / ".course", top / "build", read_only=False)
    name = hashlib.sha256(os.fsencode(top)).hexdigest()[:12]
    base = cache_home() / "course" / name
    return Checkout(top, base / "state", base / "build", read_only=True)


def make_folders(checkout: Checkout) -> None:
    try:
        checkout.state.mkdir(parents=True, exist_ok=True)
        checkout.builds.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if not checkout.read_only:
            raise
        raise CourseError(
            f"This checkout ({checkout.root}) cannot be written to, and the place for what is built from it cannot "
            f"be made: {checkout.state}: {error.strerror}. Set HOME, or XDG_CACHE_HOME, to a folder that "
            "you may write to.",
            MACHINE,
        ) from error


@contextmanager
def exclusive(checkout: Checkout, what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the checkout's lock: one build at a time. The second run says who holds it, and waits."""
    make_folders(checkout)
    descriptor = os.open(checkout.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 500, 0).decode("utf-8", "replace").strip()
            say(
                f"Another run is at work in this checkout ({holder or 'it did not say which'}). "
                "Waiting for it to end."
            )
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks: two runs at once are then the user's to avoid
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}: {what}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)  # this releases the lock
