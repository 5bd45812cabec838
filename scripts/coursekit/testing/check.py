"""Builds and tests exercises, and decides what state each is in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from coursekit.building import build, compilers, inputs, overlay
from coursekit.building.compiler import Diagnostic
from coursekit.course import paths, progress, purposes, sources
from coursekit.course.catalog import Catalog, Exercise, TestFile
from coursekit.course.paths import Checkout
from coursekit.course.sources import Place
from coursekit.errors import USAGE, CourseError
from coursekit.telling.ui import Ui
from coursekit.testing import runner
from coursekit.testing.parts import Parts
from coursekit.testing.verdicts import TestResult

ROUNDS = 20  # builds of one check, when files keep changing

STATES = ("pass", "fail", "todo", "broken", "blocked")


@dataclass(frozen=True)
class Options:
    solutions: bool = False
    mine: bool = False
    sanitize: str = ""
    cxx: str = ""
    jobs: int | None = None
    test: str = ""  # only the tests of this name, or whose names contain it
    of_its_own: build.Configuration | None = None  # in place of what the rest says

    @property
    def configuration(self) -> build.Configuration:
        if self.of_its_own:
            return self.of_its_own
        return build.Configuration(
            subject="solutions" if self.solutions else "learner",
            prior="mine" if self.mine else "solutions",
            sanitize=self.sanitize,
            cxx=self.cxx,
        )

    @property
    def counts(self) -> bool:
        """Only a plain check of the learner's own code is remembered as progress."""
        return not (self.solutions or self.mine or self.sanitize or self.cxx or self.test)

    @property
    def slow(self) -> bool:
        """Tests have a sanitizer that their kind does not have by itself."""
        return bool(self.sanitize or self.of_its_own)


@dataclass(frozen=True)
class About:
    """What the source says of a test."""

    file: str  # as seen from the top of the checkout
    line: int
    bug: str = ""  # that it is here for; often empty


@dataclass(frozen=True)
class Result:
    """What became of one exercise."""

    exercise: Exercise
    state: str
    files: tuple[str, ...]  # the files that were judged, as seen from the top of the checkout
    message: str = ""
    tests: tuple[TestResult, ...] = ()
    error: Diagnostic | None = None
    blocked_by: str = ""
    skipped: tuple[str, ...] = ()  # kinds of tests that wait for the others to pass
    breaches: tuple[Place, ...] = ()  # of the exercise's `forbid` rules
    notices: tuple[Place, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    todo_line: int = 0  # of the first RT_TODO, in the first file that has one
    todo_file: str = ""
    about: Mapping[str, About] = field(
        default_factory=dict
    )  # by test name, of those that went wrong
    chosen: bool = False  # only tests that were asked for by name ran
    left_out: int = 0  # how many tests of the kinds that ran did not run
    contents: inputs.Contents | None = field(default=None, repr=False)  # what was built, if it was


@dataclass(frozen=True)
class _Subject:
    """One exercise and the files that are judged."""

    exercise: Exercise
    files: tuple[Path, ...]
    shown: tuple[str, ...]
    texts: tuple[str, ...] = field(repr=False)


def subject_of(
    checkout: Checkout, catalog: Catalog, exercise: Exercise, *, solutions: bool
) -> _Subject:
    place = catalog.solution_file if solutions else catalog.learner_file
    files = tuple(place(exercise, file) for file in exercise.files)
    shown = tuple(checkout.relative(file) for file in files)
    return _Subject(exercise, files, shown, _texts(files))


def _texts(files: Sequence[Path]) -> tuple[str, ...]:
    return tuple(sources.read(file) for file in files)


def is_unwritten(catalog: Catalog, exercise: Exercise) -> bool:
    """By looking at the learner's files only."""
    return any(
        sources.unwritten(sources.read(catalog.learner_file(exercise, file)), exercise.id)
        for file in exercise.files
    )


def from_learner(catalog: Catalog, exercise: Exercise, *, mine: bool) -> bool:
    """Whether others that need this exercise are built on the learner's copy of it."""
    return mine or any(
        not catalog.solution_file(exercise, file).is_file() for file in exercise.files
    )


def missing_need(
    checkout: Checkout, catalog: Catalog, exercise: Exercise, *, mine: bool
) -> tuple[str, str]:
    """The first needed exercise that cannot be built upon, and why; or two empty texts."""
    for need in catalog.closure(exercise):
        if need == exercise or not from_learner(catalog, need, mine=mine):
            continue
        for file in need.files:
            path = catalog.learner_file(need, file)
            if reason := sources.problem(path, checkout.relative(path), need.id):
                return need.id, f"needs {need.id}: {reason}"
        if is_unwritten(catalog, need):
            return need.id, f"needs {need.id} ({need.slug}), which is not written yet"
    return "", ""


def run(
    checkout: Checkout,
    catalog: Catalog,
    exercises: Sequence[Exercise],
    options: Options,
    ui: Ui,
    what: str = "check",
) -> list[Result]:
    """One result for each exercise, in the order given."""
    if options.solutions and not checkout.has_solutions:
        raise CourseError(
            "This copy of the course has no solutions, so --solutions has nothing to check.", USAGE
        )
    if options.test:
        exercises = _with_such_tests(catalog, exercises, options.test)
    results, subjects = _sorted_out(checkout, catalog, exercises, options)
    if subjects:
        with paths.exclusive(checkout, f"course {what}", ui.say):
            if checkout.read_only:
                ui.say(f"This checkout cannot be written to, so it is built in {checkout.builds}.")
            results = _until_settled(checkout, catalog, exercises, options, ui)
    if options.counts:
        progress.record_states(checkout, {key: result.state for key, result in results.items()})
    return [results[exercise.id] for exercise in exercises]


def _until_settled(
    checkout: Checkout,
    catalog: Catalog,
    exercises: Sequence[Exercise],
    options: Options,
    ui: Ui,
) -> dict[str, Result]:
    """Judges what is on disk when the verdict is given: what is saved meanwhile is built and tested too."""
    tested = _Tested()
    changed: list[str] = []
    for _ in range(ROUNDS):
        results, subjects = _sorted_out(checkout, catalog, exercises, options)
        if not subjects:
            return results
        before = inputs.contents(checkout.root)
        try:
            built, judged = _build_and_test(checkout, catalog, subjects, options, ui, tested)
        except CourseError:
            # An editor may have taken the file away for a moment, to put the new one in its place.
            if not (changed := inputs.changed(before, inputs.contents(checkout.root))):
                raise
            continue
        changed = inputs.changed(built.contents, inputs.contents(checkout.root))
        # What was looked for in the texts was looked for before the build began.
        changed += [s.shown[0] for s in subjects if s.texts != _texts(s.files)]
        if not changed:
            contents = built.contents
            return results | {k: replace(r, contents=contents) for k, r in judged.items()}
    raise CourseError(
        f"{checkout.relative(changed[0])} changed each of the {ROUNDS} times that it was being built or tested. "
        "What writes it again and again? Check once that has ended."
    )


def is_stale(checkout: Checkout, results: Sequence[Result]) -> bool:
    """Whether a file has changed since the latest of these verdicts."""
    latest = results[-1].contents if results else None
    return latest is not None and latest != inputs.contents(checkout.root)


def _sorted_out(
    checkout: Checkout, catalog: Catalog, exercises: Sequence[Exercise], options: Options
) -> tuple[dict[str, Result], list[_Subject]]:
    """The verdicts that need no compiler, and what is to be built."""
    results: dict[str, Result] = {}
    subjects: list[_Subject] = []
    for exercise in exercises:
        subject = subject_of(checkout, catalog, exercise, solutions=options.solutions)
        early = _before_building(checkout, catalog, subject, options)
        if early is None:
            subjects.append(subject)
        else:
            results[exercise.id] = early
    return results, subjects


def _written(catalog: Catalog, exercise: Exercise) -> dict[str, list[purposes.Written]]:
    """The tests in the exercise's test files, by target."""
    return {
        test.target: purposes.written_in(sources.read(test.path))
        for test in catalog.tests(exercise)
    }


def _names(catalog: Catalog, exercise: Exercise) -> list[str]:
    """Of all its tests."""
    return [test.name for tests in _written(catalog, exercise).values() for test in tests]


def _chosen(catalog: Catalog, exercise: Exercise, asked: str) -> list[str]:
    """The names of its tests that `asked` means."""
    return purposes.matching(asked, _names(catalog, exercise))


def _with_such_tests(
    catalog: Catalog, exercises: Sequence[Exercise], asked: str
) -> Sequence[Exercise]:
    """Those that have a test of this name."""
    kept = [exercise for exercise in exercises if _chosen(catalog, exercise, asked)]
    if kept:
        return kept
    names = [name for exercise in exercises for name in _names(catalog, exercise)]
    where = exercises[0].id if len(exercises) == 1 else "what is checked"
    raise CourseError(
        f"No test of {where} has {asked!r} in its name.",
        USAGE,
        "The nearest: " + ", ".join(purposes.nearest(asked, names)) + "." if names else "",
    )


def _before_building(
    checkout: Checkout, catalog: Catalog, subject: _Subject, options: Options
) -> Result | None:
    """What can be decided from the files alone."""
    exercise = subject.exercise
    for file, shown in zip(subject.files, subject.shown):
        if reason := sources.problem(file, shown, exercise.id):
            return Result(exercise, "broken", subject.shown, reason)
    if not options.solutions:
        need, reason = missing_need(checkout, catalog, exercise, mine=options.mine)
        if need:
            return Result(exercise, "blocked", subject.shown, reason, blocked_by=need)
    if reason := overlay.skip_reason(catalog, exercise) or "":
        return Result(
            exercise, "broken", subject.shown, f"{reason}, so there is nothing to check it with"
        )
    return None


def _thread_sanitized(options: Options, kind: str) -> bool:
    return options.sanitize == "thread" or (not options.sanitize and kind == "stress")


def _program(checkout: Checkout, options: Options, test: TestFile) -> runner.Binary:
    path = build.binary(checkout, options.configuration, test.target)
    return runner.Binary(path, test.kind, _thread_sanitized(options, test.kind), slow=options.slow)


class _Tested:
    """What the test programs said. A program that is still the same has nothing new to say."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[object, list[TestResult]]] = {}

    def keep(
        self, exercise: str, programs: Sequence[runner.Binary], said: list[TestResult]
    ) -> None:
        self._said[exercise] = _identities(programs), said

    def of(self, exercise: str, programs: Sequence[runner.Binary]) -> list[TestResult] | None:
        then, said = self._said.get(exercise, (None, []))
        return said if then == _identities(programs) else None


def _identities(programs: Sequence[runner.Binary]) -> object:
    """Changes when any of them is linked again."""
    stats = [os.stat(program.path) for program in programs if program.path.exists()]
    return [(info.st_ino, info.st_mtime_ns, info.st_size) for info in stats]


def _build_and_test(
    checkout: Checkout,
    catalog: Catalog,
    subjects: Sequence[_Subject],
    options: Options,
    ui: Ui,
    known: _Tested,
) -> tuple[build.Built, dict[str, Result]]:
    """What was built, and the verdicts. They hold if no file has changed since that build began."""
    configuration = options.configuration
    chosen = {
        s.exercise.id: _chosen(catalog, s.exercise, options.test) for s in subjects if options.test
    }
    targets = {
        s.exercise.id: [
            target
            for target, written in _written(catalog, s.exercise).items()
            if not options.test or any(test.name in chosen[s.exercise.id] for test in written)
        ]
        for s in subjects
    }
    # A learner's own tests are theirs: they may stand in the same program, and count for nothing.
    ours = {
        s.exercise.id: frozenset(chosen.get(s.exercise.id) or _names(catalog, s.exercise))
        for s in subjects
    }
    memory = configuration.folder(checkout) / "course-durations.json"
    durations = _durations(memory)

    def tested(groups: Sequence[runner.Group]) -> dict[str, list[TestResult]]:
        ui.progress("testing", 0, 0)
        return runner.run_groups(
            groups,
            lambda done, known, name: ui.progress("tests that have run:", done, known),
            durations=durations,
        )

    # Of one exercise each kind of test runs as soon as it is built.
    alone = subjects[0].exercise if len(subjects) == 1 and not options.test else None

    def run_now(tests: Sequence[TestFile]) -> list[TestResult]:
        key = tests[0].exercise
        stage = tuple(_program(checkout, options, test) for test in tests)
        return tested([runner.Group(key, (stage,), ours[key])])[key]

    parts = Parts(catalog.stages(alone) if alone else (), run_now, ui.so_far)
    built = build.build(
        checkout,
        configuration,
        [target for each in targets.values() for target in each],
        ui.progress,
        options.jobs,
        parts.linked if alone else lambda target: True,
    )
    if inputs.contents(checkout.root) != built.contents:
        return built, {}  # not worth testing
    results: dict[str, Result] = {}
    groups = []
    programs: dict[str, list[runner.Binary]] = {}
    said: dict[str, list[TestResult]] = {}
    good: list[_Subject] = []
    for subject in subjects:
        key = subject.exercise.id
        failed = [target for target in targets[key] if target in built.broken]
        if failed:
            results[key] = _broken(checkout, catalog, subject, built.broken[failed[0]], options)
            continue
        good.append(subject)
        programs[key] = [
            _program(checkout, options, test)
            for test in catalog.tests(subject.exercise)
            if test.target in targets[key]
        ]
        earlier = None if parts.said else known.of(key, programs[key])
        if earlier is not None:
            said[key] = earlier
        elif alone:
            for target in targets[key]:  # of what was there already, nobody has said so
                parts.linked(target)
            said[key] = parts.said
        else:
            # Tests that were asked for by name all run, whatever becomes of the first.
            together = (tuple(programs[key]),)
            by_kind = tuple(
                tuple(some) for _, some in groupby(programs[key], lambda program: program.kind)
            )
            groups.append(runner.Group(key, together if options.test else by_kind, ours[key]))
    later = tested(groups) if groups else {}
    if alone or groups:
        memory.write_text(json.dumps(durations), "utf-8")
    for subject in good:
        key = subject.exercise.id
        said.setdefault(key, later.get(key, []))
        known.keep(key, programs[key], said[key])
        results[key] = _tested(checkout, catalog, subject, said[key], built.warnings, options)
    return built, results


def _durations(memory: Path) -> dict[str, float]:
    """What tests took the last time. Only the order of the tests depends on it."""
    try:
        return {
            str(key): float(value) for key, value in json.loads(memory.read_text("utf-8")).items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _owner(checkout: Checkout, catalog: Catalog, file: str) -> Exercise | None:
    """Whose learner's file this is."""
    if not file:
        return None
    shown = checkout.relative(file)
    for exercise in catalog.exercises:
        if shown in (f"{exercise.module}/{name}" for name in exercise.files):
            return exercise
    return None


def place_and_message(checkout: Checkout, error: Diagnostic) -> str:
    """As one line: file:line: text."""
    return (
        f"{checkout.relative(error.file)}:{error.line}: {error.message}"
        if error.file
        else error.message
    )


def _broken(
    checkout: Checkout, catalog: Catalog, subject: _Subject, error: Diagnostic, options: Options
) -> Result:
    message = place_and_message(checkout, error)
    owner = _owner(checkout, catalog, error.file)
    if owner is not None and owner != subject.exercise and not options.solutions:
        reason = f"needs {owner.id} ({owner.slug}), which does not compile: {message}"
        return Result(
            subject.exercise, "blocked", subject.shown, reason, error=error, blocked_by=owner.id
        )
    return Result(subject.exercise, "broken", subject.shown, message, error=error)


def _tested(
    checkout: Checkout,
    catalog: Catalog,
    subject: _Subject,
    tests: Sequence[TestResult],
    warnings: Sequence[Diagnostic],
    options: Options,
) -> Result:
    exercise = subject.exercise
    # A message is one line for a program or a person: places in it are short.
    tests = [replace(test, message=test.message.replace(f"{checkout.root}/", "")) for test in tests]
    # In the order of the files, which go from simple to involved. GoogleTest has each suite together.
    order = {name: number for number, name in enumerate(_names(catalog, exercise))}
    tests.sort(key=lambda test: order.get(purposes.plain_name(test.name), -1))
    breaches = (
        ()
        if options.test
        else tuple(
            place
            for shown, text in zip(subject.shown, subject.texts)
            for place in sources.forbidden(text, shown, exercise.forbid)
        )
    )
    compiler = compilers.of(options.configuration.folder(checkout))
    notices = tuple(
        place
        for shown, text in zip(subject.shown, subject.texts)
        if compiler and not compilers.is_clang(compiler)
        for place in sources.awaited_aggregates(text, shown)
    )
    mine = tuple(dict.fromkeys(w for w in warnings if checkout.relative(w.file) in subject.shown))
    ran = {test.kind for test in tests}
    skipped = tuple(dict.fromkeys(t.kind for t in catalog.tests(exercise) if t.kind not in ran))
    # Of the kinds in `skipped` none ran, which is said of the kind.
    counted = [t.target for t in catalog.tests(exercise) if options.test or t.kind in ran]
    written = [test.name for target in counted for test in _written(catalog, exercise)[target]]
    todo_file, todo_line = _first_todo(subject)
    state, message, blocked_by = verdict(exercise, tests, breaches)
    found = {purposes.plain_name(test.name) for test in tests}
    if state == "pass" and not options.test and (gone := [n for n in written if n not in found]):
        # Something in the learner's file took it away: a macro, an early #endif.
        state, message = (
            "fail",
            f"{gone[0]} stands in its test file, and the program does not have it",
        )
    return Result(
        exercise,
        state,
        subject.shown,
        message,
        tuple(tests),
        blocked_by=blocked_by,
        skipped=() if options.test else skipped,
        breaches=breaches,
        notices=notices,
        warnings=mine,
        todo_file=todo_file,
        todo_line=todo_line,
        about=_about(checkout, catalog, exercise, tests),
        chosen=bool(options.test),
        left_out=max(0, len(written) - len(tests)),
    )


def _about(
    checkout: Checkout, catalog: Catalog, exercise: Exercise, tests: Sequence[TestResult]
) -> dict[str, About]:
    wrong = [test.name for test in tests if test.state not in ("pass", "todo")]
    if not wrong:
        return {}
    known = {
        written.name: About(checkout.relative(test.path), written.line, written.bug)
        for test in catalog.tests(exercise)
        for written in purposes.written_in(sources.read(test.path))
    }
    return {name: about for name in wrong if (about := known.get(purposes.plain_name(name)))}


def verdict(
    exercise: Exercise, tests: Sequence[TestResult], breaches: Sequence[Place]
) -> tuple[str, str, str]:
    """State, message and the exercise that blocks, from what the tests said.

    A wrong answer counts for more than a missing one: an exercise with a failing test is failing,
    even while other parts of it are not written.
    """
    wrong = [test for test in tests if test.state not in ("pass", "todo")]
    if wrong:
        return "fail", f"{wrong[0].name}: {wrong[0].message}", ""
    if other := next(
        (t.todo for t in tests if t.state == "todo" and t.todo not in ("", exercise.id)), ""
    ):
        return "blocked", f"needs {other}, which is not written yet", other
    if any(test.state == "todo" for test in tests):
        return "todo", f"exercise {exercise.id} is not written yet", ""
    if breaches:
        return "fail", f"{breaches[0].file}:{breaches[0].line}: {breaches[0].message}", ""
    if not tests:
        return "fail", "none of its tests ran", ""
    return "pass", "", ""


def _first_todo(subject: _Subject) -> tuple[str, int]:
    for shown, text in zip(subject.shown, subject.texts):
        for number, line in enumerate(text.splitlines(), 1):
            if "RT_TODO(" in line and sources.unwritten(line, subject.exercise.id):
                return shown, number
    return "", 0


def is_done(
    catalog: Catalog, records: Mapping[str, Mapping[str, object]], exercise: Exercise
) -> bool:
    """It passed when it was last checked, and the stub has not been put back since."""
    return records.get(exercise.id, {}).get("state") == "pass" and not is_unwritten(
        catalog, exercise
    )


def next_unfinished(
    catalog: Catalog, records: Mapping[str, Mapping[str, object]], after: Exercise | None = None
) -> Exercise | None:
    """The first unfinished exercise in order; the stretch exercises come when the others are done.

    With `after`, one that follows it is preferred, so that nobody is sent back unasked.
    """
    open_ones = [e for e in catalog.exercises if not is_done(catalog, records, e)]
    open_ones = [e for e in open_ones if not e.stretch] or open_ones
    if after is not None:
        order = list(catalog.exercises)
        later = [e for e in open_ones if order.index(e) > order.index(after)]
        open_ones = later or [e for e in open_ones if e != after]
    return open_ones[0] if open_ones else None
