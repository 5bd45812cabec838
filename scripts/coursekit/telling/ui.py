"""What is shown while something goes on: one live line on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from coursekit.telling import text

if TYPE_CHECKING:
    from rich.status import Status


class Ui(Protocol):
    def progress(self, what: str, done: int, total: int) -> None:
        """What is being done now, and how far it is. A total of 0 means that nobody knows."""

    def so_far(self, message: str) -> None:
        """What is known already, while the answer is still to come."""

    def say(self, message: str) -> None:
        """One sentence that stays."""


class Silent:
    """For programs that read: nothing but the result."""

    def progress(self, what: str, done: int, total: int) -> None:
        pass

    def so_far(self, message: str) -> None:
        pass

    def say(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)


def _counted(what: str, done: int, total: int) -> str:
    return f"{what} [{done}/{total}]" if total else what


class Plain:
    """For a pipe or a file: a line every few seconds, and none when it is over before that."""

    def __init__(self, stream: TextIO, pause: float = 5.0) -> None:
        self._stream = stream
        self._pause = pause
        self._last = time.monotonic()

    def progress(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        # Configuring takes a while and says nothing, so it is announced.
        if what.startswith("configuring") or now - self._last >= self._pause:
            print(_counted(what, done, total), file=self._stream, flush=True)
            self._last = now

    def so_far(self, message: str) -> None:
        self.say(message)

    def say(self, message: str) -> None:
        for part in text.prose(message, text.PLAIN_WIDTH):
            print(text.plain(part), file=self._stream, flush=True)


class Live:
    """For a terminal: one line with a spinner. rich is imported while the first tool already runs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._status: Status | None = None
        self._latest = "starting"
        self._lock = threading.Lock()
        self._over = False
        self._importer = threading.Thread(target=self._start, daemon=True)
        self._importer.start()

    def _start(self) -> None:
        from rich.console import Console
        from rich.status import Status

        console = Console(file=self._stream, highlight=False)
        status = Status("", console=console, spinner="line")
        with self._lock:
            if not self._over:
                self._status = status
                status.update(self._shown())
                status.start()

    def _shown(self) -> str:
        return self._latest[: text.width_of(self._stream) - 4].replace("[", "\\[")

    def progress(self, what: str, done: int, total: int) -> None:
        with self._lock:
            self._latest = _counted(what, done, total)
            if self._status is not None:
                self._status.update(self._shown())

    def so_far(self, message: str) -> None:
        self.say(message)

    def say(self, message: str) -> None:
        with self._lock:
            if self._status is not None:
                self._status.console.print(message, markup=False)
            else:
                print(message, file=self._stream, flush=True)

    def close(self) -> None:
        with self._lock:
            self._over = True
            if self._status is not None:
                self._status.stop()
                self._status = None


@contextmanager
def interface(*, quiet: bool = False) -> Iterator[Ui]:
    """The one that fits where stdout goes. Progress goes to stderr unless both are a terminal."""
    if quiet:
        yield Silent()
    elif sys.stdout.isatty() and sys.stderr.isatty() and text.wants_colour(sys.stderr):
        live = Live(sys.stderr)
        try:
            yield live
        finally:
            live.close()
    else:
        yield Plain(sys.stderr)
