"""What became of one test, from how its process ended. Pure.

A mark comes from the exit code and from what the test's main reported through a pipe of ours,
never from what was printed.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from coursekit.testing import crashes

EXIT_FAILED = 1
EXIT_TODO = 42
EXIT_HANG = 43
EXIT_SANITIZER = 44


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
class Ended:
    """How a process ended, as far as can be seen from outside."""

    status: int  # exit code, or minus the signal
    events: tuple[Mapping[str, object], ...]
    output: str
    seconds: float
    killed: str = ""  # why the runner ended it


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


def judge_together(names: Sequence[str], kind: str, ended: Ended) -> list[TestResult] | None:
    """Several tests that ran in one process, if all of them passed. If not, nothing is said of any:
    whatever it was may have begun in another test than the one in which it came out."""
    share = replace(ended, seconds=ended.seconds / len(names), output="")
    results = [judge(name, kind, share) for name in names]
    return results if all(result.state == "pass" for result in results) else None


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
