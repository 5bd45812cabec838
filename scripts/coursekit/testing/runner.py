"""Runs the tests of exercises, in parallel, stage by stage.

Each is judged by a process of its own, so that none sees what another has left behind. But where
all pass there is nothing to tell apart: unit tests, which take less time than their process, are
tried together first. Only if all of them pass is that their verdict.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coursekit.course import purposes
from coursekit.testing.pool import Limits, Pool, usable_cpus, without_aslr
from coursekit.testing.verdicts import Ended, TestResult, judge, judge_together

_TOGETHER = 12  # unit tests are tried together if there are more than one; by so many per process
_PATIENCE = 2.0  # seconds in which one of them has to end, before each is tried alone


@dataclass(frozen=True)
class Binary:
    path: Path
    kind: str
    thread_sanitized: bool = False
    repeats: int = 1  # how often each test runs in its process
    slow: bool = False  # a sanitizer that its kind of test does not have by itself

    @property
    def cpu_seconds(self) -> float:
        """What one run of one test may use: several times what the longest of its kind needs."""
        return (8.0 if self.kind == "unit" else 15.0) * (3 if self.slow else 1)


@dataclass(frozen=True)
class Group:
    """The test binaries of one exercise, in stages: a stage runs only when the last one passed."""

    key: str
    stages: tuple[tuple[Binary, ...], ...]
    only: frozenset[str] | None = None  # the tests to run, by their names in the source; else all
    until_failure: bool = False  # one test that fails is enough: the rest is left out


Progress = Callable[[int, int, str], None]  # tests done, tests known, name of the latest


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


class _GroupRun:
    """One exercise's way through its stages."""

    def __init__(self, owner: _Run, group: Group) -> None:
        self._owner = owner
        self._group = group
        self._stage = -1
        self._left = 0
        self._slots: list[list[TestResult | None]] = []
        self._decided = False  # nobody wants to know more
        self._hangs_at: tuple[int, int] | None = None  # the first test, in the order of the files
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
            numbered = list(enumerate(names))
            if binary.kind == "unit" and binary.repeats == 1:
                processes = min(self._owner.pool.width, -(-len(names) // _TOGETHER))
                size = -(-len(names) // processes)
                for first in range(0, len(names), size):
                    self._submit_together(index, numbered[first : first + size], binary)
                return
            # The longest starts first, so that it does not run alone at the end.
            numbered.sort(key=lambda item: -self._owner.expected(binary, item[1]))
            for number, name in numbered:
                self._submit(index, number, name, binary)

        self._owner.pool.submit(
            [*prefix, str(binary.path), "--gtest_list_tests"], listed, soon=True
        )

    def _submit_together(
        self, index: int, tests: Sequence[tuple[int, str]], binary: Binary
    ) -> None:
        """Unit tests in one process. The first that fails is the simplest, so it comes first also
        among those that are then tried alone."""
        if len(tests) == 1:
            self._submit(index, *tests[0], binary)
            return

        def ended(end: Ended) -> None:
            results = judge_together([name for _, name in tests], binary.kind, end)
            if results is None:
                for number, name in tests:
                    self._submit(index, number, name, binary)
                return
            for (number, _), result in zip(tests, results, strict=True):
                self._slots[index][number] = result
                self._owner.one_done(binary, result)
                self._one_less()

        def given_up() -> bool:
            if self._decided:
                self._owner.known -= len(tests)
                for _ in tests:
                    self._one_less()
            return self._decided

        self._owner.pool.submit(
            [
                *self._owner.prefix(binary),
                str(binary.path),
                "--gtest_filter=" + ":".join(name for _, name in tests),
                "--gtest_fail_fast",
                "--gtest_color=no",
            ],
            ended,
            cpu_seconds=binary.cpu_seconds * len(tests),
            patience=_PATIENCE,
            given_up=given_up,
        )

    def _submit(self, index: int, number: int, name: str, binary: Binary) -> None:
        started = False

        def ended(end: Ended) -> None:
            result = judge(name, binary.kind, end, binary.repeats)
            if result.state == "hang":
                self._hangs_at = min(self._hangs_at or (index, number), (index, number))
            if self._group.until_failure and result.state in ("hang", "fail", "crash"):
                self._decided = True
            self._slots[index][number] = result
            self._owner.one_done(binary, result)
            self._one_less()

        def given_up() -> bool:
            # One endless loop is often in the way of every test: its neighbours would each take as
            # long only to say the same. Those before it, which are simpler, may say what they have begun.
            nonlocal started
            hang = self._hangs_at
            given_up = self._decided or (
                hang is not None and (not started or (index, number) > hang)
            )
            started = True
            if given_up:
                self._owner.known -= 1
                self._one_less()
            return given_up

        command = [
            *self._owner.prefix(binary),
            str(binary.path),
            f"--gtest_filter={name}",
            "--gtest_color=no",
        ]
        if binary.repeats > 1:
            command.append(f"--gtest_repeat={binary.repeats}")
        self._owner.pool.submit(command, ended, cpu_seconds=binary.cpu_seconds, given_up=given_up)

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

    `durations` is what passing tests took earlier, and is brought up to date.
    """
    with tempfile.TemporaryDirectory(prefix="course-test-", ignore_cleanup_errors=True) as scratch:
        pool = Pool(width or usable_cpus(), limits, Path(scratch))
        run = _Run(pool, progress, {} if durations is None else durations)
        runs = {group.key: _GroupRun(run, group) for group in groups}
        for group_run in runs.values():
            group_run.next_stage()
        pool.run()
        return {key: group_run.results for key, group_run in runs.items()}
