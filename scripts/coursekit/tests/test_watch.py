"""course watch: what makes it check again, what its keys do, and that the terminal is given back."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coursekit import cli
from coursekit.course import catalog as catalogs
from coursekit.course.paths import Checkout
from coursekit.telling.report import as_text
from coursekit.telling.terminal import END, parse_keys
from coursekit.telling.text import line
from coursekit.testing import watching
from coursekit.testing.watching import Answer
from coursekit.tests import faketree

COUNTDOWN = "module1-executor/include/rt/future/countdown.h"
WAKER = "module1-executor/include/rt/future/waker.h"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return faketree.use(faketree.make(tmp_path / "the course"), monkeypatch)


# ---- looking ------------------------------------------------------------------------------------


def test_saving_replacing_and_deleting_are_changes(tmp_path: Path) -> None:
    file, other = tmp_path / "a.h", tmp_path / "b.h"
    file.write_text("one", "utf-8")
    before = watching.snapshot([file, other])
    saved_at = file.stat().st_mtime_ns
    assert watching.changes(before, watching.snapshot([file, other])) == []
    replacement = tmp_path / "new"
    replacement.write_text("two", "utf-8")
    os.utime(replacement, ns=(saved_at, saved_at))  # same time, same size: another file
    replacement.replace(file)
    assert watching.changes(before, watching.snapshot([file, other])) == [file]
    file.unlink()
    other.write_text("here", "utf-8")
    assert watching.changes(before, watching.snapshot([file, other])) == [file, other]


def test_it_waits_until_the_editor_is_done(tmp_path: Path) -> None:
    file = tmp_path / "a.h"
    steps = iter(["a", "ab", "abc"])

    def pause(seconds: float) -> None:
        if step := next(steps, None):
            file.write_text(step, "utf-8")

    file.write_text("", "utf-8")
    stamp = watching.settled([file], pause)[file]
    assert stamp is not None and stamp == watching.stamp(file) and stamp[1] == 3


def test_what_it_needs_matters_only_without_a_reference(checkout: Checkout) -> None:
    def names() -> list[str]:
        catalog = catalogs.load(checkout.root)
        return [
            checkout.relative(p)
            for p in watching.files_that_matter(catalog, catalog.exercise("1.2"))
        ]

    assert names() == [WAKER, "module1-executor/tests/waker_test.cc"]
    (checkout.root / "solutions" / COUNTDOWN).unlink()
    assert names() == [WAKER, "module1-executor/tests/waker_test.cc", COUNTDOWN]


# ---- keys and screen ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"h", ["h"]),
        (b"Hq", ["h", "q"]),
        (b"\x1b[A", []),
        (b"\x1b[1;5Cn", ["n"]),
        (b"\x1bOP\x1b", []),
        (b"\x04", [END]),
        (b"\xff\x00", ["\ufffd"]),
    ],
)
def test_keys(typed: bytes, keys: list[str]) -> None:
    assert parse_keys(typed) == keys


def test_the_first_error_stays_on_the_screen() -> None:
    answer = Answer(tuple(line(f"row {n}") for n in range(100)), False)
    shown = as_text(watching.screen(answer, [], [watching.keys_line(passed=False)], 80, 24)).split(
        "\n"
    )
    assert (
        len(shown) <= 23 and shown[0] == "row 0" and "more lines: f shows all of them" in shown[-3]
    )
    assert len(shown[-1]) <= 80 and "h hint" in shown[-1] and "n next" not in shown[-1]
    assert "n next" in as_text([watching.keys_line(passed=True)])
    assert len(as_text([watching.keys_line(passed=True)])) <= 80


def test_long_lines_count_as_the_rows_they_take() -> None:
    answer = Answer(tuple(line("x" * 200) for _ in range(10)), False)
    assert len(watching.screen(answer, [], [line("keys")], 80, 24)) == 6 + 1 + 2


def test_a_hint_has_room_even_under_a_long_answer() -> None:
    answer = Answer(tuple(line(f"row {n}") for n in range(100)), False)
    hint = [line(f"hint {n}") for n in range(18)]
    shown = as_text(watching.screen(answer, hint, [line("keys")], 80, 24))
    assert "hint 17" in shown and "row" not in shown and shown.endswith("keys")


def test_without_a_terminal_it_refuses(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["watch"]) == 2
    assert "scripts/course check" in " ".join(capsys.readouterr().err.split())


# ---- on a terminal ------------------------------------------------------------------------------

# The session with a check that needs no compiler: the file says what the answer is.
_PROGRAM = """
import sys
sys.path.insert(0, {scripts!r})
from pathlib import Path
from coursekit import cli, errors
from coursekit.course import paths, progress
from coursekit.course.paths import Checkout
from coursekit.testing import watching
root = Path({root!r})
checkout = Checkout(root, root / ".course", root / "build", read_only=False)
paths.find_checkout = lambda: checkout
count = 0
def checked(checkout, catalog, exercise):
    global count
    count += 1
    said = catalog.learner_file(exercise, exercise.files[0]).read_text()
    if "ERROR" in said:
        raise errors.CourseError("ninja is not installed")
    passed = "RT_TODO" not in said
    progress.record_states(checkout, {{exercise.id: "pass" if passed else "todo"}})
    word = "passes" if passed else "is open"
    return watching.Answer((watching.line(f"run {{count}}: {{exercise.id}} {{word}}"),), passed)
watching.Session.__init__.__defaults__ = (checked,)
sys.exit(cli.main(["watch", *sys.argv[1:]]))
"""


class Watch:
    """A watch in a terminal of its own."""

    def __init__(self, root: Path, *arguments: str) -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (24, 80))
        self.before: list[Any] = termios.tcgetattr(self.slave)
        program = _PROGRAM.format(scripts=str(Path(__file__).resolve().parents[2]), root=str(root))
        self.process = subprocess.Popen(
            [
                "/usr/bin/setsid",
                "--ctty",
                "--wait",
                sys.executable,
                "-I",
                "-c",
                program,
                *arguments,
            ],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={
                "TERM": "xterm",
                "PATH": "/usr/bin:/bin",
                "LC_ALL": "C.UTF-8",
                "NO_COLOR": "1",
                "PAGER": "cat",
            },
        )
        self.said = b""

    def until(self, wanted: str) -> str:
        """What was printed up to and including `wanted`."""
        end = time.monotonic() + 30
        while wanted.encode() not in self.said:
            ready, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
            assert (
                ready
            ), f"{wanted!r} did not come; there was {self.said.decode('utf-8', 'replace')!r}"
            self.said += os.read(self.master, 65536)
        before, _, self.said = self.said.partition(wanted.encode())
        return before.decode("utf-8", "replace") + wanted

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def restored(self) -> bool:
        return bool(termios.tcgetattr(self.slave) == self.before)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def watches(checkout: Checkout) -> Iterator[list[Watch]]:
    started: list[Watch] = []
    yield started
    for watch in started:
        watch.close()


@pytest.mark.usefixtures("terminals")
def test_a_session(checkout: Checkout, watches: list[Watch]) -> None:
    watch = Watch(checkout.root)
    watches.append(watch)
    watch.until("run 1: 0.1 is open")
    watch.until("q quit")
    assert not watch.restored()
    watch.press("n")
    watch.until("0.1 does not pass yet")
    watch.press("h")
    watch.until("First hint of blocking_echo")
    watch.press("v")
    watch.until("Enter goes back.")
    watch.press("\n")
    watch.until("q quit")
    watch.press("l")
    watch.until("Exercise 0.1: An echo server")
    watch.until("Enter goes back.")
    watch.press("\n")
    watch.until("q quit")
    watch.press("r")
    watch.until("run 2: 0.1 is open")
    watch.until("q quit")
    faketree.solve(checkout.root, "module1-executor", "include/rt/future/waker.h")
    watch.until("It belongs to 1.2 (waker)")
    watch.until("q quit")
    faketree.solve(checkout.root, "module0-problem", "src/blocking_echo.cc")
    watch.until("run 3: 0.1 passes")
    watch.until("n next")
    watch.press("n")
    watch.until("run 4: 1.1 is open")
    watch.until("q quit")
    (checkout.root / COUNTDOWN).write_text("// ERROR", "utf-8")
    watch.until("inja is not installed")
    watch.until("q quit")
    watch.press("q")
    assert watch.process.wait(timeout=30) == 0 and watch.restored()


@pytest.mark.usefixtures("terminals")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_gives_the_terminal_back(
    checkout: Checkout, watches: list[Watch], number: signal.Signals, status: int
) -> None:
    watch = Watch(checkout.root, "1.2")
    watches.append(watch)
    watch.until("run 1: 1.2 is open")
    watch.until("q quit")
    os.killpg(os.tcgetpgrp(watch.master), number)
    assert watch.process.wait(timeout=30) == status and watch.restored()
