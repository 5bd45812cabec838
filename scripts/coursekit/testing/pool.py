"""Processes side by side: starts them, keeps what they say, and ends what does not end by itself.

Nothing here depends on how loaded the machine is: a test ends itself when it hangs
(scripts/testkit/main.cc), and the backstop here counts CPU time, not wall time. Whatever a process
started is ended with it.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coursekit.testing import processes
from coursekit.testing.verdicts import Ended, parse_events

_SWEEPS = 100  # for those that fork while they are being ended
_LAST_LINE = 200  # characters of it that are told
_EVENTS_LIMIT = 4 * 1024 * 1024

_LIGHT = 0.1  # of a CPU: below that, a process leaves room for another
_CROWD = 8  # for each CPU, at most so many processes, however light


@dataclass(frozen=True)
class Limits:
    """What a process may use. They count for those as well whose own hang detector does not work."""

    cpu_factor: float = 2.0  # times what the process was told that it may use
    idle_seconds: float = (
        10.0  # a test's own detector runs all the time, so it never is as idle as this
    )
    tick_seconds: float = 0.2
    kept_bytes: int = 256 * 1024  # of the beginning of what it prints, and as much of the end
    printed_bytes: int = 8 * 1024 * 1024  # more is taken for an endless loop


def usable_cpus() -> int:
    return max(1, len(os.sched_getaffinity(0)))


def test_environment() -> dict[str, str]:
    """What a test sees: nothing that changes its verdict (GTEST_FILTER, ASAN_OPTIONS, LD_PRELOAD…)."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if k in ("HOME", "TMPDIR", "USER", "LOGNAME") or k.startswith("RT_")
    }
    kept.pop("RT_RESULT_FD", None)
    path = "/usr/local/bin:/usr/bin:/bin"
    return {"PATH": path, "LC_ALL": "C.UTF-8", **_symbolizer(path), **kept}


def _symbolizer(path: str) -> dict[str, str]:
    """What finds the lines of a stack in a program that clang built. Debian's clang-16 looks for
    llvm-symbolizer-16 alone, and says nothing of lines where only another version is installed."""
    names = ("llvm-symbolizer", *(f"llvm-symbolizer-{n}" for n in range(21, 13, -1)))
    found = next((tool for name in names if (tool := shutil.which(name, path=path))), None)
    kinds = ("ASAN", "TSAN", "UBSAN") if found else ()
    return {f"{kind}_SYMBOLIZER_PATH": found for kind in kinds if found}


def without_aslr() -> list[str]:
    """The command prefix a ThreadSanitizer binary needs here.

    With more than 28 bits of address randomness g++'s runtime stops with "unexpected memory
    mapping". setarch is refused in some containers; then the binary is tried without it.
    """
    try:
        if int(Path("/proc/sys/vm/mmap_rnd_bits").read_text("ascii")) <= 28:
            return []
    except (OSError, ValueError):
        pass
    setarch = shutil.which("setarch", path="/usr/bin:/bin")
    if setarch is None:
        return []
    prefix = [setarch, "-R"]
    probe = subprocess.run(
        [*prefix, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    return prefix if probe.returncode == 0 else []


class Printed:
    """The beginning and the end of what a process prints."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head = bytearray()
        self._tail = bytearray()
        self.size = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        room = self._limit - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * self._limit:
            del self._tail[: -self._limit]

    def text(self) -> str:
        tail = self._tail[-self._limit :]
        lost = self.size - len(self._head) - len(tail)
        parts = (self._head, f"\n… {lost} bytes are left out here …\n".encode() * bool(lost), tail)
        return b"".join(parts).decode("utf-8", "replace")


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    mark: str  # in the environment of whatever it starts
    cpu_seconds: float  # the most that it may use
    pidfd: int
    output_fd: int
    events_fd: int
    done: Callable[[Ended], None]
    given_up: Callable[[], bool]
    started: float
    output: Printed
    events: bytearray = field(default_factory=bytearray)
    events_size: int = 0
    looked: float = 0.0
    activity: int = -1
    idle: float = 0.0
    light: bool = False  # hardly used a CPU since the last look
    patience: float = float("inf")  # seconds without an event
    heard: float = 0.0  # when the last event came
    killed: str = ""


class Pool:
    """Runs as many processes at a time as keep `width` CPUs busy, and calls back as each ends.

    A test that hangs sleeps for three seconds before it says so; ten of those together cost no more
    than one. Used from one thread.
    """

    def __init__(self, width: int, limits: Limits, scratch: Path) -> None:
        self.width = width
        self._limits = limits
        self._scratch = scratch
        self._waiting: deque[Callable[[], None]] = deque()
        self._running: dict[int, _Running] = {}
        self._selector = selectors.DefaultSelector()
        self._environment = test_environment()
        self._count = 0
        self._not_ours: set[int] = set()  # children that others have started
        self._ending = 0  # the one that has ended, and is not waited for yet

    def submit(
        self,
        command: list[str],
        done: Callable[[Ended], None],
        *,
        soon: bool = False,
        cpu_seconds: float = 20.0,
        patience: float = float("inf"),
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """`soon`: before everything that waits already. `cpu_seconds`: what one run of a test may use.
        `patience`: it is ended when it has said nothing for so many seconds, whatever the reason.
        `given_up`, asked when its turn has come, and again and again while it runs, answers True if
        nobody wants to know any more; `done` is then not called."""

        def start() -> None:
            if not given_up():
                self._start(command, done, cpu_seconds, patience, given_up)

        if soon:
            self._waiting.appendleft(start)
        else:
            self._waiting.append(start)

    def run(self) -> None:
        """Until nothing is left. Whatever happens, no process is left behind."""
        self._not_ours = processes.children()
        with processes.adopting_orphans():
            try:
                while self._waiting or self._running:
                    while self._waiting and self._has_room():
                        self._waiting.popleft()()
                    self._turn()
            finally:
                for running in self._running.values():
                    processes.kill_family(running.process.pid)
                    running.process.wait()
                self._running.clear()
                self._selector.close()
                self._end_orphans(None)

    def _has_room(self) -> bool:
        busy = sum(not running.light for running in self._running.values())
        return busy < self.width and len(self._running) < _CROWD * self.width

    def _start(
        self,
        command: list[str],
        done: Callable[[Ended], None],
        cpu_seconds: float,
        patience: float,
        given_up: Callable[[], bool],
    ) -> None:
        output_read, output_write = os.pipe()
        events_read, events_write = os.pipe()
        self._count += 1
        mark = f"COURSE_TEST={os.getpid()}.{self._count}"
        environment = {
            "RT_TEST_CPU_SECONDS": f"{cpu_seconds:g}",
            **self._environment,
            "RT_RESULT_FD": str(events_write),
            "COURSE_TEST": mark.partition("=")[2],
        }
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output_write,
                stderr=output_write,
                pass_fds=(events_write,),
                env=environment,
                cwd=self._scratch,
                start_new_session=True,
                preexec_fn=processes.dies_with_us(),
            )
        except OSError as error:
            for descriptor in (output_read, events_read):
                os.close(descriptor)
            done(Ended(127, (), f"cannot start {command[0]}: {error}", 0.0))
            return
        finally:
            os.close(output_write)
            os.close(events_write)
        os.set_blocking(output_read, False)
        os.set_blocking(events_read, False)
        now = time.monotonic()
        pidfd = os.pidfd_open(process.pid)
        running = _Running(
            process,
            mark,
            cpu_seconds * self._limits.cpu_factor,
            pidfd,
            output_read,
            events_read,
            done,
            given_up,
            now,
            Printed(self._limits.kept_bytes),
            looked=now,
            patience=patience,
            heard=now,
        )
        self._running[process.pid] = running
        for descriptor, what in ((pidfd, "exit"), (output_read, "output"), (events_read, "events")):
            self._selector.register(descriptor, selectors.EVENT_READ, (running, what))

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._limits.tick_seconds):
            running, what = key.data
            if running.process.pid not in self._running:
                continue  # it ended earlier in this very turn
            if what == "exit":
                self._finish(running)
            elif not self._read(running, what):
                self._selector.unregister(key.fd)
        now = time.monotonic()
        for running in [r for r in self._running.values() if r.given_up()]:
            self._finish(running, nobody_asks=True)
        for running in self._running.values():
            if now - running.heard > running.patience:
                self._end(running, "ended by the runner: it said nothing for too long.")
        due = [
            r
            for r in self._running.values()
            if now - r.looked >= self._limits.tick_seconds and not r.killed
        ]
        all_there = processes.everybody() if due else []
        orphans = self._orphans() if due else set()
        for running in due:
            mine = [pid for pid in orphans if processes.has_in_environment(pid, running.mark)]
            self._watch(running, now, processes.family(all_there, [running.process.pid, *mine]))

    def _read(self, running: _Running, what: str) -> bool:
        """Takes what is there; False at the end of the stream."""
        try:
            data = os.read(running.output_fd if what == "output" else running.events_fd, 65536)
        except BlockingIOError:
            return True
        if what == "output":
            running.output.add(data)
        else:
            running.events += data[: max(0, _EVENTS_LIMIT - len(running.events))]
            running.events_size += len(data)
            running.heard = time.monotonic()
        if max(running.output.size, running.events_size) > self._limits.printed_bytes:
            self._end(running, _flooded(running, self._limits.printed_bytes))
        return bool(data)

    def _drain(self, running: _Running, what: str) -> None:
        """Everything still in the pipe; not to the end of the stream, which a grandchild may hold open."""
        for _ in range(_EVENTS_LIMIT // 65536):
            before = running.output.size + running.events_size
            if not self._read(running, what) or before == running.output.size + running.events_size:
                return

    def _finish(self, running: _Running, *, nobody_asks: bool = False) -> None:
        del self._running[running.process.pid]
        self._ending = running.process.pid
        # Before the wait: until then the process's id, and so its group's, cannot be anybody else's.
        if nobody_asks:
            processes.kill_family(running.process.pid)
        processes.kill_group(running.process.pid)
        self._end_orphans(running.mark)
        status = running.process.wait()
        self._ending = 0
        self._drain(running, "output")
        self._drain(running, "events")
        for descriptor in (running.pidfd, running.output_fd, running.events_fd):
            try:
                self._selector.unregister(descriptor)
            except KeyError:
                pass
            os.close(descriptor)
        if nobody_asks:
            return
        running.done(
            Ended(
                status,
                parse_events(bytes(running.events)),
                running.output.text(),
                time.monotonic() - running.started,
                running.killed,
            )
        )

    def _orphans(self) -> set[int]:
        """Whose parent has ended: they are our children now, and we did not start them."""
        started = {running.process.pid for running in self._running.values()}
        return processes.children() - started - self._not_ours - {self._ending}

    def _end_orphans(self, mark: str | None) -> None:
        """Ends what a test has left behind, wherever it went; without a mark, what all of them have."""
        for _ in range(_SWEEPS):
            orphans = self._orphans()
            if not orphans:
                return
            theirs = [p for p in orphans if mark is None or processes.has_in_environment(p, mark)]
            members = processes.family(processes.everybody(), theirs) if theirs else []
            processes.kill(members)
            for pid in orphans:
                processes.reap(pid)
            if not members:
                return

    def _end(self, running: _Running, why: str) -> None:
        if not running.killed and running.process.pid in self._running:
            running.killed = why
            processes.kill_family(running.process.pid)

    def _watch(self, running: _Running, now: float, members: Sequence[processes.Seen]) -> None:
        """The backstop. Time in which we ourselves were not running does not count as idle."""
        passed = now - running.looked
        cpu, activity = processes.cpu_activity(member.pid for member in members)
        used = activity - running.activity
        running.idle = (
            running.idle + min(passed, 2 * self._limits.tick_seconds) if used == 0 else 0.0
        )
        running.light = running.activity >= 0 and used < _LIGHT * passed * 1e9
        running.looked, running.activity = now, activity
        leader = next((m for m in members if m.pid == running.process.pid), None)
        if leader is not None and leader.state == "T":
            self._end(
                running,
                "a signal stopped it (SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU), and nothing continues it.",
            )
        elif cpu > running.cpu_seconds:
            self._end(
                running,
                f"ended by the runner after {running.cpu_seconds:.0f} s of CPU time: a loop that never ends?",
            )
        elif running.idle >= self._limits.idle_seconds:
            self._end(
                running,
                f"ended by the runner: nothing in it ran for {self._limits.idle_seconds:.0f} s. "
                "It waits for something that never comes.",
            )


def _flooded(running: _Running, limit: int) -> str:
    """Why it was ended, with the last whole line that it printed."""
    said = f"it was ended when it had printed more than {limit >> 20} MiB: a loop that never ends?"
    if running.events_size > limit:
        return "it was ended when it had reported more failures than can be kept: a loop that never ends?"
    lines = running.output.text().splitlines()
    last = next((text.strip() for text in reversed(lines[:-1]) if text.strip()), "")
    return f"{said}\nThe last line: {last[:_LAST_LINE]}" if last else said
