"""What a learner has built, in figures: for the page at the end of the course."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from coursekit.benching import figures, machine, peers, session, workloads
from coursekit.building import build
from coursekit.course import paths, pristine, sources, stubs
from coursekit.course.catalog import Catalog, Demo, Exercise, Module
from coursekit.course.paths import Checkout
from coursekit.errors import CourseError
from coursekit.telling.ui import Ui
from coursekit.testing import check, demos
from coursekit.testing.check import Result
from coursekit.testing.verdicts import TestResult

# Of the benchmarks: one of each kind, so that all are measured in less than a minute.
_WORKLOADS = (
    "spawn",
    "yield-one",
    "ping-pong",
    "chain",
    "channel",
    "skynet",
    "blocking",
    "echo-50",
)
_ROUNDS, _WORKERS = 3, 2


@dataclass(frozen=True)
class Count:
    """So many of so many."""

    good: int = 0
    of: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.good + other.good, self.of + other.of)

    def __str__(self) -> str:
        return f"{self.good:,} of {self.of:,}"

    @property
    def whole(self) -> bool:
        return self.good == self.of


@dataclass(frozen=True)
class Part:
    """Of one module, or of all."""

    name: str
    question: str
    exercises: Count
    tests: Count
    caught: Count  # wrong solutions, by the tests that the learner wrote
    lines: int  # that the learner wrote

    def __add__(self, other: Part) -> Part:
        return Part(
            self.name,
            self.question,
            self.exercises + other.exercises,
            self.tests + other.tests,
            self.caught + other.caught,
            self.lines + other.lines,
        )


@dataclass(frozen=True)
class Speed:
    """Empty results: `why` says why nothing was measured."""

    results: Sequence[figures.Result] = ()
    machine: str = ""
    busy: bool = False  # others were at work on it
    without: Mapping[str, str] = field(default_factory=dict)  # who is not in it, and why
    why: str = ""


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    demos: Mapping[str, str]  # by name: what is wrong, or nothing
    speed: Speed

    @property
    def total(self) -> Part:
        return sum(self.parts, Part("in all", "", Count(), Count(), Count(), 0))

    @property
    def good_demos(self) -> Count:
        return Count(sum(not wrong for wrong in self.demos.values()), len(self.demos))

    @property
    def passes(self) -> bool:
        return self.total.exercises.whole and self.good_demos.whole


def gathered(
    checkout: Checkout,
    catalog: Catalog,
    results: Sequence[Result],
    ui: Ui,
    *,
    bench: bool,
    jobs: int | None = None,
) -> Whole:
    """`results`: of every exercise, on the learner's own code. Runs the demos, and measures."""
    parts = tuple(part_of(checkout, catalog, module, results) for module in catalog.modules)
    ran = _demos(checkout, catalog, results, ui, jobs)
    open_ones = [r.exercise.id for r in results if r.state != "pass" and not r.exercise.stretch]
    if not bench:
        speed = Speed(why="It was not measured: --no-bench.")
    elif open_ones:
        speed = Speed(why=f"It is measured once every exercise passes: {open_ones[0]} does not.")
    else:
        speed = _speed(checkout, ui)
    return Whole(parts, ran, speed)


def part_of(
    checkout: Checkout, catalog: Catalog, module: Module, results: Sequence[Result]
) -> Part:
    own = [result for result in results if result.exercise in module.exercises]
    tests = [test for result in own for test in result.tests]
    return Part(
        module.name.partition("-")[2],
        module.title,
        Count(sum(result.state == "pass" for result in own), len(own)),
        Count(sum(test.state == "pass" for test in tests), len(tests)),
        sum((caught(r.tests) for r in own if r.exercise.kind == "write_the_test"), Count()),
        sum(lines_of(checkout, catalog, exercise) for exercise in module.exercises),
    )


def caught(tests: Sequence[TestResult]) -> Count:
    """How many wrong solutions a learner's test catches. One that the right one fails catches nothing."""
    wrong: list[bool] = []
    right: list[bool] = []
    for test in tests:
        name = test.name.partition(".")[2]
        (wrong if name.startswith("Catches") else right).append(test.state == "pass")
    return Count(sum(wrong) if all(right) else 0, len(wrong))


def lines_of(checkout: Checkout, catalog: Catalog, exercise: Exercise) -> int:
    """How many lines of its files are not the stub's. Empty ones do not count."""
    count = 0
    for file in exercise.files:
        stub = pristine.content_of(checkout, catalog, exercise, file)
        if stub is not None:
            text = sources.read(catalog.learner_file(exercise, file))
            count += lines_added(stub.decode("utf-8", "replace"), text)
    return count


def lines_added(stub: str, text: str) -> int:
    before, after = (stubs.finished(each).splitlines() for each in (stub, text))
    changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    added = [line for tag, _, _, i, j in changes if tag != "equal" for line in after[i:j]]
    return sum(bool(line.strip()) for line in added)


def _demos(
    checkout: Checkout, catalog: Catalog, results: Sequence[Result], ui: Ui, jobs: int | None
) -> dict[str, str]:
    """Each on the learner's code alone: what is wrong with it, or nothing."""
    said = {demo.name: waits_for(catalog, demo, results) for demo in catalog.demos()}
    ready = [demo for demo in catalog.demos() if not said[demo.name]]
    if not ready:
        return said
    configuration = build.Configuration(subject="learner", prior="mine")
    with paths.exclusive(checkout, "course check", ui.say):
        targets = [demo.target for demo in ready]
        built = build.build(checkout, configuration, targets, ui.progress, jobs)
    for done, demo in enumerate(ready):
        ui.progress(f"running the demo {demo.name}", done, len(ready))
        if error := built.broken.get(demo.target):
            said[demo.name] = check.place_and_message(checkout, error)
        else:
            program = build.binary(checkout, configuration, demo.target)
            said[demo.name] = demos.problem_of(program, checkout.builds)
    return said


def waits_for(catalog: Catalog, demo: Demo, results: Sequence[Result]) -> str:
    """Of its module and those before: the first exercise that does not pass. It may need any of them."""
    last = catalog.module(demo.module).number
    for result in results:
        early = catalog.module(result.exercise.module).number <= last
        if early and result.state != "pass" and not result.exercise.stretch:
            return f"it waits for {result.exercise.id}"
    return ""


def _speed(checkout: Checkout, ui: Ui) -> Speed:
    """Beside the reference, where there is one, and Tokio, where it can be built."""
    tokio = next(peer for peer in peers.PEERS if peer.name == figures.REFERENCE)
    without = {}
    wanted = [peers.MINE]
    if checkout.has_solutions:
        wanted.append(peers.OURS)
    else:
        without[peers.OURS.name] = "this copy of the course has no reference."
    if why := peers.missing(tokio):
        without[tokio.name] = why
    else:
        wanted.append(tokio)
    try:
        found, broken = session.built(checkout, wanted, ui)
    except CourseError as error:
        return Speed(why=f"It could not be measured: {error.message}")
    names = [peer.name for peer in wanted if peer.name in found]
    without |= broken
    if peers.MINE.name not in names:
        return Speed(why=f"It could not be measured: {without[peers.MINE.name]}")
    load = machine.load()
    chosen = workloads.choose(_WORKLOADS)
    measured = session.measured(
        found,
        chosen,
        names,
        ui,
        workers=_WORKERS,
        rounds=_ROUNDS,
        start=time.monotonic(),
        quick=True,
    )
    return Speed(
        figures.results(measured.samples, chosen, names),
        machine.describe({peer.name: peers.version(peer) for peer in wanted}, load),
        machine.is_busy(load),
        without,
        "" if measured.samples.by_metric else "It could not be measured: no program had an answer.",
    )
