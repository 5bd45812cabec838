"""Single keys from a terminal, which is given back as it was found, whatever happens."""

from __future__ import annotations

import atexit
import os
import re
import select
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Arrow keys and the like: a whole sequence is one key that means nothing here.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)

END = "\x04"  # Ctrl-D, or the terminal is gone


def parse_keys(data: bytes) -> list[str]:
    """The keys in what was read. Capitals are as good as small letters."""
    said = _SEQUENCE.sub("", data.decode("utf-8", "replace"))
    return [key.lower() for key in said if key.isprintable() or key in (END, "\r", "\n")]


class Terminal:
    """Reads keys without Enter and without showing them. Ctrl-C and Ctrl-Z work as ever.

    `changed` is set when the window got another size, or the program was brought back from
    behind; then what is on the screen has to be drawn again.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._found: list[Any] = termios.tcgetattr(descriptor)
        self._handlers: dict[int, Any] = {}
        self.changed = False

    def open(self) -> None:
        atexit.register(self.restore)
        for number, handler in (
            (signal.SIGTSTP, self._stop),
            (signal.SIGCONT, self._go_on),
            (signal.SIGWINCH, self._resized),
            (signal.SIGQUIT, self._quit),
        ):
            self._handlers[number] = signal.signal(number, handler)
        self._take()

    def close(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()
        self.restore()
        atexit.unregister(self.restore)

    def restore(self) -> None:
        try:
            # TCSADRAIN waits for output, which a background process would be stopped for.
            before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            try:
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._found)
            finally:
                signal.signal(signal.SIGTTOU, before)
        except (termios.error, ValueError):
            pass  # the terminal is gone, and nobody is left to see it

    @contextmanager
    def lent(self) -> Iterator[None]:
        """To a pager or another command."""
        self.restore()
        try:
            yield
        finally:
            self._take()
            self.changed = True

    def keys(self, seconds: float) -> list[str]:
        """What is typed within this time; none if nothing is."""
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return []
        try:
            data = os.read(self._descriptor, 1024)
        except OSError:
            return [END]
        return parse_keys(data) if data else [END]

    def _take(self) -> None:
        tty.setcbreak(self._descriptor, termios.TCSADRAIN)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its terminal as it was."""
        self.restore()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)

    def _go_on(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTSTP, self._stop)
        try:
            self._take()
        except termios.error:
            pass  # brought back behind: the shell says so, and `fg` comes here again
        self.changed = True

    def _resized(self, number: int, frame: FrameType | None) -> None:
        self.changed = True

    def _quit(self, number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt
