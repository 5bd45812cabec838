"""What `watch` does: looks at the learner's files, checks when one was saved, and answers to single keys.

It looks at modification times, twice a second. Being told of changes by the system misses them on WSL, on
network drives and in containers; asking never does, and costs half a millisecond.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coursekit.course import catalog as catalogs
from coursekit.course import progress, sources
from coursekit.course.catalog import Catalog, Exercise
from coursekit.course.paths import Checkout
from coursekit.errors import CourseError
from coursekit.telling import report, text
from coursekit.telling.terminal import END, Terminal
from coursekit.telling.text import Line, Span, line, plain, prose
from coursekit.testing import check

INTERVAL = 0.5  # seconds between two looks
_SETTLE = 0.1  # an editor may write a file in several steps
_SETTLE_LOOKS = 20

Stamp = tuple[int, int, int] | None
Snapshot = Mapping[Path, Stamp]


def stamp(path: Path) -> Stamp:
    """Changes whenever the file is saved; None while there is none."""
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_mtime_ns, info.st_size, info.st_ino


def snapshot(files: Iterable[Path]) -> Snapshot:
    return {path: stamp(path) for path in files}


def changes(before: Snapshot, after: Snapshot) -> list[Path]:
    return [path for path in after if path in before and before[path] != after[path]]


def settled(files: Sequence[Path], pause: Callable[[float], None] = time.sleep) -> Snapshot:
    """How the files are once two looks in a row agree."""
    latest = snapshot(files)
    for _ in range(_SETTLE_LOOKS):
        pause(_SETTLE)
        now = snapshot(files)
        if now == latest:
            break
        latest = now
    return latest


def files_that_matter(catalog: Catalog, exercise: Exercise) -> list[Path]:
    """Those that change the answer: its own, its tests, and what it needs where there is no reference."""
    found = [catalog.learner_file(exercise, file) for file in exercise.files]
    found += [test.path for test in catalog.tests(exercise)]
    for need in catalog.closure(exercise):
        if need != exercise and check.from_learner(catalog, need, mine=False):
            found += [catalog.learner_file(need, file) for file in need.files]
    return found


def owners(catalog: Catalog) -> dict[Path, Exercise]:
    return {catalog.learner_file(e, file): e for e in catalog.exercises for file in e.files}


# ---- what is shown ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What the latest check said."""

    lines: tuple[Line, ...]
    passed: bool


def rows(text_line: Line, width: int) -> int:
    return max(1, -(-len(plain(text_line)) // max(1, width)))


def fit(lines: Sequence[Line], width: int, height: int) -> list[Line]:
    """As many as there is room for: the first error is what counts, and must not scroll away."""
    if sum(rows(part, width) for part in lines) <= height:
        return list(lines)
    kept: list[Line] = []
    left = height - 1
    for part in lines:
        left -= rows(part, width)
        if left < 0:
            break
        kept.append(part)
    return [*kept, line(Span(f"({len(lines) - len(kept)} more lines: f shows all of them)", "dim"))]


def keys_line(*, passed: bool) -> Line:
    keys = [
        ("h", "hint"),
        ("l", "lesson"),
        ("f", "full text"),
        ("r", "run again"),
        ("v", "visualize"),
        ("q", "quit"),
    ]
    if passed:
        keys.insert(0, ("n", "next"))
    spans: list[Span] = []
    for key, word in keys:
        spans += [Span(key, "bold"), Span(f" {word}   ")]
    return tuple(spans)


def screen(
    answer: Answer, extra: Sequence[Line], foot: Sequence[Line], width: int, height: int
) -> list[Line]:
    """The answer at the top, what was asked for below it, the keys at the bottom."""
    below = [*([line("")] if extra else []), *extra, line(""), *foot]
    taken = sum(rows(part, width) for part in below)
    # A hint that leaves no room for the answer takes its place: it is what was asked for last.
    room = height - 1 - taken
    if extra and room < 4:
        needed = sum(rows(part, width) for part in foot) + 1
        return [*fit(extra, width, height - 1 - needed), line(""), *foot]
    return [*fit(answer.lines, width, max(1, room)), *below]


# ---- the session --------------------------------------------------------------------------------

Check = Callable[[Checkout, Catalog, Exercise], Answer]


def checked(checkout: Checkout, catalog: Catalog, exercise: Exercise) -> Answer:
    """Builds and tests one exercise."""
    from coursekit.telling import ui

    with ui.interface() as interface:
        interface.progress(f"checking {exercise.id}", 0, 0)
        results = check.run(
            checkout, catalog, [exercise], check.Options(), interface, f"watch {exercise.id}"
        )
    look = report.Look(text.width_of(sys.stdout), text.unicode_of(sys.stdout))
    lines = report.check_report(results, checkout, catalog, look, None, quiet_next=True)
    return Answer(tuple(lines), all(result.state == "pass" for result in results))


class Session:
    """From the first check to `q`."""

    def __init__(
        self,
        checkout: Checkout,
        catalog: Catalog,
        exercise: Exercise,
        terminal: Terminal,
        run_check: Check = checked,
    ) -> None:
        self._checkout = checkout
        self._catalog = catalog
        self._exercise = exercise
        self._terminal = terminal
        self._run_check = run_check
        self._answer = Answer((), False)
        self._extra: list[Line] = []  # a hint, or what the last key did
        self._seen: Snapshot = {}
        self._over = False

    def run(self) -> None:
        """Until the learner quits."""
        self._check()
        while not self._over:
            for key in self._terminal.keys(INTERVAL):
                self._press(key)
                if self._over:
                    return
            if self._terminal.changed:
                self._draw()
            self._look()

    # -- checking --

    def _files(self) -> list[Path]:
        return list(
            dict.fromkeys(
                [*files_that_matter(self._catalog, self._exercise), *owners(self._catalog)]
            )
        )

    def _look(self) -> None:
        changed = changes(self._seen, snapshot(self._files()))
        if not changed:
            return
        after = settled(self._files())
        changed = changes(self._seen, after)
        if any(path in files_that_matter(self._catalog, self._exercise) for path in changed):
            self._check()
            return
        self._seen = after
        other = next(
            (owners(self._catalog)[path] for path in changed if path in owners(self._catalog)), None
        )
        if other is not None:
            name = self._checkout.relative(
                next(path for path in changed if path in owners(self._catalog))
            )
            self._tell(
                f"Saved: {name}. It belongs to {other.id} ({other.slug}): `scripts/course watch {other.id}`."
            )

    def _check(self) -> None:
        """What changes while it runs is seen by the next look, because `seen` is from before."""
        self._seen = snapshot(self._files())
        contents = {path: sources.read(path) for path in self._seen}
        self._extra = []
        clear()
        text.write(
            [
                line(
                    f"checking {self._exercise.id} ({self._exercise.slug}), please wait; Ctrl-C stops"
                )
            ]
        )
        self._answer = self._guarded()
        # A build gives a file the present time, when ninja would not see otherwise that it is new.
        self._seen = {
            path: stamp(path) if sources.read(path) == contents[path] else seen
            for path, seen in self._seen.items()
        }
        if (
            END in (typed := self._terminal.keys(0)) or "q" in typed
        ):  # the rest was typed at something gone by
            self._over = True
            return
        if self._answer.passed:
            self._extra = self._what_follows()
        self._draw()

    def _what_follows(self) -> list[Line]:
        following = check.next_unfinished(
            self._catalog, progress.load(self._checkout), self._exercise
        )
        if following is None:
            return [line("That was the last one: every exercise is done.")]
        said = f"Next: {following.id} {following.title} ({following.slug}), about {following.minutes} minutes. n goes there."
        return prose(said, text.width_of(sys.stdout))

    def _guarded(self) -> Answer:
        """No error ends the watch, and none is hidden."""
        width = text.width_of(sys.stdout)
        try:
            self._catalog = catalogs.load(self._checkout.root)
            self._exercise = self._catalog.exercise(self._exercise.id)
            return self._run_check(self._checkout, self._catalog, self._exercise)
        except CourseError as error:
            detail = text.verbatim(error.detail, width, "  ") if error.detail else []
            return Answer((*prose(str(error), width, "", "bold red"), *detail), False)
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            return Answer(
                tuple(prose(f"The system refused{where}: {error.strerror or error}.", width)), False
            )

    # -- keys --

    def _press(self, key: str) -> None:
        actions: dict[str, Callable[[], None]] = {
            "h": self._hint,
            "n": self._next,
            "l": self._lesson,
            "f": self._full,
            "r": self._check,
            "v": self._visualize,
            "q": self._quit,
            END: self._quit,
        }
        action = actions.get(key)
        if action is None:
            if key.isprintable() and key != " ":
                self._tell(f"{key} means nothing here.")
            return
        try:
            action()
        except CourseError as error:
            self._tell(str(error))

    def _quit(self) -> None:
        self._over = True

    def _tell(self, message: str) -> None:
        self._extra = prose(message, text.width_of(sys.stdout), "", "yellow")
        self._draw()

    def _hint(self) -> None:
        from coursekit.course import hints

        shown = hints.next_hint(self._checkout, self._catalog, self._exercise, commands=False)
        self._extra = [line(part) for part in self._rendered(shown.text).rstrip("\n").split("\n")]
        self._draw()

    def _rendered(self, source: str) -> str:
        from coursekit.telling import markdown

        return markdown.render(source, text.width_of(sys.stdout), colour=False)

    def _next(self) -> None:
        if not self._answer.passed:
            self._tell(
                f"{self._exercise.id} does not pass yet, so this is not done. `q`, then `scripts/course watch ID` goes elsewhere."
            )
            return
        following = check.next_unfinished(
            self._catalog, progress.load(self._checkout), self._exercise
        )
        if following is None:
            self._extra = self._what_follows()
            self._draw()
            return
        self._exercise = following
        self._check()

    def _lesson(self) -> None:
        from coursekit.commands import lesson
        from coursekit.telling import markdown

        source = lesson.page_for(self._checkout, self._catalog, self._exercise.id)
        self._page(
            markdown.render(source, text.width_of(sys.stdout), colour=text.wants_colour(sys.stdout))
        )

    def _full(self) -> None:
        from coursekit.telling import markdown

        self._page(markdown.coloured(self._answer.lines, colour=text.wants_colour(sys.stdout)))

    def _page(self, said: str) -> None:
        from coursekit.telling import markdown

        with self._terminal.lent():
            if not markdown.paged(said, stay=True):
                clear()
                sys.stdout.write(said)
                _wait_for_enter()
        self._draw()

    def _visualize(self) -> None:
        from coursekit import cli

        with self._terminal.lent():
            clear()
            cli.main(["visualize"])
            _wait_for_enter()
        self._draw()

    # -- drawing --

    def _draw(self) -> None:
        self._terminal.changed = False
        size = shutil.get_terminal_size()
        records = progress.load(self._checkout)
        standing = [e for e in self._catalog.exercises if check.is_done(self._catalog, records, e)]
        watched = ", ".join(
            self._checkout.relative(self._catalog.learner_file(self._exercise, f))
            for f in self._exercise.files
        )
        foot = [
            line(
                Span(
                    f"{self._exercise.id}, {len(standing)} of {len(self._catalog.exercises)} done. Watching {watched}",
                    "dim",
                )
            ),
            keys_line(passed=self._answer.passed),
        ]
        lines = screen(self._answer, self._extra, foot, size.columns, size.lines)
        clear()
        text.write(lines)


def _wait_for_enter() -> None:
    try:
        input("\nEnter goes back. ")
    except EOFError:
        pass


def clear() -> None:
    """An empty screen; what was above stays in the scrollback."""
    if os.environ.get("TERM", "dumb") != "dumb":
        sys.stdout.write("\x1b[H\x1b[2J")
    else:
        sys.stdout.write("\n")
    sys.stdout.flush()
