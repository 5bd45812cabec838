"""Runs tests: each in a process of its own, in parallel, and says what became of it.

A mark comes from the exit code and from what the test's main reported through a pipe of ours,
never from what was printed. Nothing here depends on how loaded the machine is: a test ends itself
when it hangs (scripts/testkit/main.cc), and the runner's own backstop counts CPU time, not wall time.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coursekit.course import purposes
from coursekit.testing import crashes, processes

EXIT_FAILED = 1
EXIT_TODO = 42
EXIT_HANG = 43
EXIT_SANITIZER = 44

_OUTPUT_LIMIT = 256 * 1024  # kept of what a test prints; the rest is read and dropped
_EVENTS_LIMIT = 4 * 1024 * 1024

_LIGHT = 0.1  # of a CPU: below that, a process leaves room for another
_CROWD = 8  # for each CPU, at most so many processes, however light


@dataclass(frozen=True)
class Failure:
    """One failed expectation."""

    file: str
    line: int
    message: str


@dataclass(frozen=True)
class TestResult:
    name: str
    kind: str  # unit, model, stress, system
    state: str  # pass, fail, todo, crash, hang
    message: str = ""
    seconds: float = 0.0
    failures: tuple[Failure, ...] = ()
    output: str = ""  # what it printed
    todo: str = ""  # the id of the exercise that is not written, when state is todo

    __test__ = False  # tells pytest that this is no test class


@dataclass(frozen=True)
class Binary:
    path: Path
    kind: str
    thread_sanitized: bool = False
    repeats: int = 1  # how often each test runs in its process


@dataclass(frozen=True)
class Group:
    """The test binaries of one exercise, in stages: a stage runs only when the last one passed."""

    key: str
    stages: tuple[tuple[Binary, ...], ...]
    only: frozenset[str] | None = None  # the tests to run, by their names in the source; else all
    until_failure: bool = False  # one test that fails is enough: the rest is left out


@dataclass(frozen=True)
class Limits:
    """The backstop, for a test whose own hang detector does not work."""

    cpu_seconds: float = 120.0
    idle_seconds: float = 60.0
    tick_seconds: float = 0.2


@dataclass(frozen=True)
class Ended:
    """How a process ended, as far as can be seen from outside."""

    status: int  # exit code, or minus the signal
    events: tuple[Mapping[str, object], ...]
    output: str
    seconds: float
    killed: str = ""  # why the runner ended it


Progress = Callable[[int, int, str], None]  # tests done, tests known, name of the latest


# ---- deciding -----------------------------------------------------------------------------------


def parse_events(data: bytes) -> tuple[Mapping[str, object], ...]:
    """The JSON lines a test wrote. A line cut short by a crash is left out."""
    events: list[Mapping[str, object]] = []
    for raw in data.split(b"\n"):
        try:
            event = json.loads(raw)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return tuple(events)


_SUITE = re.compile(r"^([A-Za-z_][\w/]*)\.(?:\s+#.*)?$")
_CASE = re.compile(r"^  ([A-Za-z_][\w/]*)(?:\s+#.*)?$")


def parse_test_list(text: str) -> list[str]:
    """The names in the answer to --gtest_list_tests, without the disabled ones."""
    names: list[str] = []
    suite = ""
    for text_line in text.splitlines():
        if match := _SUITE.match(text_line):
            suite = match[1]
        elif suite and (match := _CASE.match(text_line)):
            name = f"{suite}.{match[1]}"
            if "DISABLED_" not in name:
                names.append(name)
    return names


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_SIGNAL_MEANING = {
    "SIGSEGV": "it used memory that is not its own",
    "SIGBUS": "it used memory that is not its own",
    "SIGABRT": "it was aborted: an assertion, an uncaught exception, or a throw from noexcept code",
    "SIGILL": "it ran an instruction that does not exist",
    "SIGFPE": "it divided by zero",
    "SIGKILL": "something killed it, perhaps for want of memory",
    "SIGPIPE": "it wrote to a socket or pipe whose other end was closed",
}

_TODO = re.compile(r"exercise (\S+) is not written yet")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def judge(name: str, kind: str, ended: Ended, repeats: int = 1) -> TestResult:
    """What became of one test. A pass needs exit code 0 and the test's own word for each run."""
    failures = tuple(
        Failure(
            _text(e.get("file")),
            line if isinstance(line := e.get("line"), int) else 0,
            _text(e.get("message")),
        )
        for e in ended.events
        if e.get("event") == "failure"
    )
    hang = next((_text(e.get("report")) for e in ended.events if e.get("event") == "hang"), None)
    ends = [e for e in ended.events if e.get("event") == "end" and e.get("test") == name]
    finished = sum(e.get("ok") is True for e in ends) >= repeats

    def result(state: str, message: str = "", todo: str = "") -> TestResult:
        return TestResult(name, kind, state, message, ended.seconds, failures, ended.output, todo)

    if ended.killed:
        return result("hang", ended.killed)
    if ended.status == EXIT_HANG or (hang is not None and ended.status != 0):
        return result("hang", hang or ended.output.strip() or "it hung, and left no report")
    if ended.status == EXIT_TODO:
        found = _TODO.search(ended.output)
        return result("todo", found[0] if found else "not written yet", found[1] if found else "")
    if ended.status == EXIT_SANITIZER:
        if ends and (lost := crashes.leak(ended.output)):
            # The test came to its end. A leak is found after that, and is no crash.
            return result("fail", failures[0].message if failures else lost)
        if "LeakSanitizer has encountered a fatal error" in ended.output:
            return result(
                "crash",
                "the tool that looks for leaks (LeakSanitizer) failed, and not the test: it does not "
                "work in a debugger, nor where the machine has no thread to spare. Check again.",
            )
        return result("crash", sanitizer_headline(ended.output))
    if ended.status < 0:
        if why := crashes.terminated(ended.output):
            return result("crash", why)
        what = signal_name(-ended.status)
        meaning = _SIGNAL_MEANING.get(what)
        return result("crash", f"ended by {what}" + (f" ({meaning})" if meaning else ""))
    if ended.status == 0 and finished and not failures:
        return result("pass")
    if ended.status == 0:
        return result(
            "fail", "the process ended before the test did, as if something had called exit()"
        )
    if failures:
        return result("fail", failures[0].message)
    return result("crash", f"the process ended with exit code {ended.status}")


def sanitizer_headline(output: str) -> str:
    """The one line of a sanitizer's report that says most."""
    for pattern in (
        r"^SUMMARY: (.+)$",
        r"(?:ERROR|WARNING): (\w+Sanitizer: .+)$",
        r"(runtime error: .+)$",
    ):
        if match := re.search(pattern, output, re.MULTILINE):
            return match[1].strip()
    return "a sanitizer stopped it"


# ---- running ------------------------------------------------------------------------------------


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
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", **kept}


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


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    pidfd: int
    output_fd: int
    events_fd: int
    done: Callable[[Ended], None]
    started: float
    output: bytearray = field(default_factory=bytearray)
    events: bytearray = field(default_factory=bytearray)
    looked: float = 0.0
    activity: int = -1
    idle: float = 0.0
    light: bool = False  # hardly used a CPU since the last look
    killed: str = ""


class Pool:
    """Runs as many processes at a time as keep `width` CPUs busy, and calls back as each ends.

    A test that hangs sleeps for three seconds before it says so; ten of those together cost no more
    than one. Used from one thread.
    """

    def __init__(self, width: int, limits: Limits, scratch: Path) -> None:
        self._width = width
        self._limits = limits
        self._scratch = scratch
        self._waiting: deque[Callable[[], None]] = deque()
        self._running: dict[int, _Running] = {}
        self._selector = selectors.DefaultSelector()
        self._environment = test_environment()

    def submit(
        self,
        command: list[str],
        done: Callable[[Ended], None],
        *,
        soon: bool = False,
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """`soon`: before everything that waits already. `given_up`, asked when its turn has come and
        answering True, has seen to it that nobody waits for the process."""

        def start() -> None:
            if not given_up():
                self._start(command, done)

        if soon:
            self._waiting.appendleft(start)
        else:
            self._waiting.append(start)

    def run(self) -> None:
        """Until nothing is left. Whatever happens, no process is left behind."""
        try:
            while self._waiting or self._running:
                while self._waiting and self._has_room():
                    self._waiting.popleft()()
                self._turn()
        finally:
            for running in self._running.values():
                processes.kill_session(running.process.pid)
                running.process.wait()
            self._running.clear()
            self._selector.close()

    def _has_room(self) -> bool:
        busy = sum(not running.light for running in self._running.values())
        return busy < self._width and len(self._running) < _CROWD * self._width

    def _start(self, command: list[str], done: Callable[[Ended], None]) -> None:
        output_read, output_write = os.pipe()
        events_read, events_write = os.pipe()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output_write,
                stderr=output_write,
                pass_fds=(events_write,),
                env={**self._environment, "RT_RESULT_FD": str(events_write)},
                cwd=self._scratch,
                start_new_session=True,
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
        running = _Running(process, pidfd, output_read, events_read, done, now, looked=now)
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
        due = [
            r
            for r in self._running.values()
            if now - r.looked >= self._limits.tick_seconds and not r.killed
        ]
        members = processes.sessions() if due else {}
        for running in due:
            self._watch(running, now, members.get(running.process.pid, []))

    def _read(self, running: _Running, what: str) -> bool:
        """Takes what is there; False at the end of the stream."""
        descriptor, buffer, limit = (
            (running.output_fd, running.output, _OUTPUT_LIMIT)
            if what == "output"
            else (running.events_fd, running.events, _EVENTS_LIMIT)
        )
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        buffer += data[: max(0, limit - len(buffer))]
        return bool(data)

    def _drain(self, running: _Running, what: str) -> None:
        """Everything still in the pipe; not to the end of the stream, which a grandchild may hold open."""
        for _ in range(_EVENTS_LIMIT // 65536):
            before = len(running.output) + len(running.events)
            if not self._read(running, what) or before == len(running.output) + len(running.events):
                return

    def _finish(self, running: _Running) -> None:
        del self._running[running.process.pid]
        # Before the wait: until then the process's id, and so its group's, cannot be anybody else's.
        processes.kill_group(running.process.pid)
        status = running.process.wait()
        self._drain(running, "output")
        self._drain(running, "events")
        for descriptor in (running.pidfd, running.output_fd, running.events_fd):
            try:
                self._selector.unregister(descriptor)
            except KeyError:
                pass
            os.close(descriptor)
        running.done(
            Ended(
                status,
                parse_events(bytes(running.events)),
                running.output.decode("utf-8", "replace"),
                time.monotonic() - running.started,
                running.killed,
            )
        )

    def _watch(self, running: _Running, now: float, members: list[int]) -> None:
        """The backstop. Time in which we ourselves were not running does not count as idle."""
        passed = now - running.looked
        cpu, activity = processes.cpu_activity(members)
        used = activity - running.activity
        running.idle = (
            running.idle + min(passed, 2 * self._limits.tick_seconds) if used == 0 else 0.0
        )
        running.light = running.activity >= 0 and used < _LIGHT * passed * 1e9
        running.looked, running.activity = now, activity
        if cpu > self._limits.cpu_seconds:
            running.killed = f"ended by the runner after {self._limits.cpu_seconds:.0f} s of CPU time: a loop that never ends?"
        elif running.idle >= self._limits.idle_seconds:
            running.killed = (
                f"ended by the runner: nothing in it ran for {self._limits.idle_seconds:.0f} s. "
                "It waits for something that never comes."
            )
        if running.killed:
            processes.kill_session(running.process.pid)


class _GroupRun:
    """One exercise's way through its stages."""

    def __init__(self, owner: _Run, group: Group) -> None:
        self._owner = owner
        self._group = group
        self._stage = -1
        self._left = 0
        self._slots: list[list[TestResult | None]] = []
        self._decided = False
        self.results: list[TestResult] = []

    def next_stage(self) -> None:
        self._stage += 1
        if self._stage >= len(self._group.stages):
            return
        binaries = self._group.stages[self._stage]
        self._slots = [[] for _ in binaries]
        self._left = len(binaries)
        for index, binary in enumerate(binaries):
            self._list(index, binary)
        if not binaries:
            self.next_stage()

    def _list(self, index: int, binary: Binary) -> None:
        prefix = self._owner.prefix(binary)

        def listed(ended: Ended) -> None:
            names = parse_test_list(ended.output)
            only = self._group.only
            if only is not None and names:
                names = [name for name in names if purposes.plain_name(name) in only]
                if not names:
                    self._one_less()
                    return
            if ended.status != 0 or not names:
                result = judge(binary.path.name, binary.kind, ended)
                message = (
                    f"it ended before any test began: {result.message}"
                    if ended.status
                    else "it has no tests"
                )
                self._slots[index] = [
                    TestResult(
                        binary.path.name,
                        binary.kind,
                        "crash",
                        message,
                        ended.seconds,
                        (),
                        ended.output,
                    )
                ]
                self._one_less()
                return
            self._owner.known += len(names)
            self._left += len(names) - 1
            self._slots[index] = [None] * len(names)
            for number, name in sorted(
                enumerate(names), key=lambda item: -self._owner.expected(binary, item[1])
            ):
                self._submit(index, number, name, binary)

        self._owner.pool.submit(
            [*prefix, str(binary.path), "--gtest_list_tests"], listed, soon=True
        )

    def _submit(self, index: int, number: int, name: str, binary: Binary) -> None:
        def ended(end: Ended) -> None:
            result = judge(name, binary.kind, end, binary.repeats)
            # One endless loop is often in the way of every test: its neighbours would each spend the
            # whole allowance of CPU time only to say the same.
            enough = ("hang", "fail", "crash") if self._group.until_failure else ("hang",)
            self._decided = self._decided or result.state in enough
            self._slots[index][number] = result
            self._owner.one_done(binary, result)
            self._one_less()

        def given_up() -> bool:
            if self._decided:
                self._owner.known -= 1
                self._one_less()
            return self._decided

        command = [
            *self._owner.prefix(binary),
            str(binary.path),
            f"--gtest_filter={name}",
            "--gtest_color=no",
        ]
        if binary.repeats > 1:
            command.append(f"--gtest_repeat={binary.repeats}")
        self._owner.pool.submit(command, ended, given_up=given_up)

    def _one_less(self) -> None:
        self._left -= 1
        if self._left:
            return
        stage = [result for slot in self._slots for result in slot if result is not None]
        self.results += stage
        if all(result.state == "pass" for result in stage):
            self.next_stage()


class _Run:
    def __init__(
        self, pool: Pool, progress: Progress, durations: MutableMapping[str, float]
    ) -> None:
        self.pool = pool
        self._durations = durations
        self.known = 0
        self._done = 0
        self._progress = progress
        self._no_aslr: list[str] | None = None

    def prefix(self, binary: Binary) -> list[str]:
        if not binary.thread_sanitized:
            return []
        if self._no_aslr is None:
            self._no_aslr = without_aslr()
        return self._no_aslr

    def expected(self, binary: Binary, name: str) -> float:
        return self._durations.get(f"{binary.path.name} {name}", 0.0)

    def one_done(self, binary: Binary, result: TestResult) -> None:
        if result.state == "pass":
            self._durations[f"{binary.path.name} {result.name}"] = round(result.seconds, 2)
        self._done += 1
        self._progress(self._done, self.known, result.name)


def run_groups(
    groups: Sequence[Group],
    progress: Progress = lambda done, known, name: None,
    *,
    width: int | None = None,
    limits: Limits = Limits(),
    durations: MutableMapping[str, float] | None = None,
) -> dict[str, list[TestResult]]:
    """Every test of every group, in parallel; the results by group key, in the order of the files.

    `durations` is what passing tests took earlier, and is brought up to date: the longest test of a
    binary starts first, so that it does not run alone at the end.
    """
    with tempfile.TemporaryDirectory(prefix="course-test-", ignore_cleanup_errors=True) as scratch:
        pool = Pool(width or usable_cpus(), limits, Path(scratch))
        run = _Run(pool, progress, {} if durations is None else durations)
        runs = {group.key: _GroupRun(run, group) for group in groups}
        for group_run in runs.values():
            group_run.next_stage()
        pool.run()
        return {key: group_run.results for key, group_run in runs.items()}
