"""Turns results into lines for a person. Pure: nothing here prints or reads a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coursekit.building.compiler import Diagnostic
from coursekit.course.catalog import Catalog, Exercise
from coursekit.course.paths import Checkout
from coursekit.telling.text import Line, Span, line, plain, prose, verbatim
from coursekit.testing import failing
from coursekit.testing.check import Result

COMMAND = "scripts/course"
_OTHERS = 12  # failing tests, after the first, that get a line each


@dataclass(frozen=True)
class Look:
    width: int = 80
    unicode: bool = True

    def glyph(self, state: str) -> str:
        fancy, simple = _GLYPHS[state]
        return fancy if self.unicode else simple


_GLYPHS = {
    "pass": ("✓", "+"),
    "fail": ("✗", "x"),
    "todo": ("○", "o"),
    "broken": ("✗", "x"),
    "blocked": ("–", "-"),
}
WORDS = {
    "pass": "passes",
    "fail": "fails",
    "todo": "not written yet",
    "broken": "does not compile",
    "blocked": "blocked",
}
STYLES = {
    "pass": "green",
    "fail": "bold red",
    "todo": "yellow",
    "broken": "bold red",
    "blocked": "magenta",
}


def summary_line(result: Result, look: Look, name_width: int = 0) -> Line:
    """One line: glyph, id, slug, state, and how many tests say so."""
    exercise = result.exercise
    style = STYLES[result.state]
    detail = ""
    word = WORDS[result.state]
    if result.chosen and result.state in ("pass", "fail"):
        word, detail = _of_the_chosen(result)
    elif result.state == "pass":
        seconds = sum(test.seconds for test in result.tests)
        detail = f"  {len(result.tests)} tests, {seconds:.1f} s"
    elif result.state == "fail" and result.tests:
        wrong = sum(test.state not in ("pass", "todo") for test in result.tests)
        detail = (
            f"  {wrong} of {len(result.tests)} tests fail"
            if wrong
            else "  its tests pass, but a rule is broken"
        )
    elif result.state == "blocked" and result.blocked_by:
        detail = f"  needs {result.blocked_by}"
    elif result.state == "todo":
        good = sum(test.state == "pass" for test in result.tests)
        detail = f"  {good} of {len(result.tests)} tests pass already" if good else ""
    return line(
        Span(look.glyph(result.state), style),
        f" {exercise.id:<5}",
        f"{exercise.slug:<{name_width}}  ",
        Span(word, style),
        Span(detail, "dim"),
    )


def _of_the_chosen(result: Result) -> tuple[str, str]:
    """The word and the detail, when only some of its tests ran."""
    ran = len(result.tests)
    wrong = sum(test.state != "pass" for test in result.tests)
    tests = "the test" if ran == 1 else f"the {ran} tests"
    if wrong:
        word = f"{tests} fails" if ran == 1 else f"{wrong} of {tests} fail{'s' * (wrong == 1)}"
    else:
        word = f"{tests} pass{'es' * (ran == 1)}"
    others = "1 other was" if result.left_out == 1 else f"{result.left_out} others were"
    return word, f"  {others} not run" if result.left_out else ""


def details(result: Result, checkout: Checkout, look: Look) -> list[Line]:
    """Everything below the summary line: what went wrong, where, and what to do next."""
    lines: list[Line] = []
    if result.state == "broken":
        lines += _broken(result, checkout, look)
    elif result.state == "blocked":
        lines += prose(_sentence(result.message), look.width, "  ")
        lines.append(line("  first: ", Span(f"{COMMAND} check {result.blocked_by}", "bold")))
    elif result.state == "todo":
        lines += _todo(result, look)
    elif result.state == "fail":
        lines += _failed(result, checkout, look)
    lines += _remarks(result, checkout, look)
    return lines


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _hint(exercise: Exercise) -> Line:
    return line("  hint: ", Span(f"{COMMAND} hint {exercise.id}", "bold"))


def _broken(result: Result, checkout: Checkout, look: Look) -> list[Line]:
    error = result.error
    if error is None:
        return prose(result.message, look.width, "  ")
    lines = _diagnostic(error, checkout, look, "error")
    own = [
        place
        for place in error.context
        if _shown_place(place, checkout).rpartition(":")[0] in result.files
    ]
    if own and checkout.relative(error.file) not in result.files:
        lines.append(line("  on the way from ", Span(_shown_place(own[0], checkout), "bold")))
    if error.file and checkout.relative(error.file) not in result.files and not own:
        lines += prose(
            f"The error is outside of your file. Compare the declarations in {result.files[0]} with what it uses.",
            look.width,
            "  ",
        )
    return [*lines, _hint(result.exercise)]


def _shown_place(place: str, checkout: Checkout) -> str:
    file, _, number = place.rpartition(":")
    return f"{checkout.relative(file)}:{number}"


def _diagnostic(diagnostic: Diagnostic, checkout: Checkout, look: Look, level: str) -> list[Line]:
    lines: list[Line] = []
    if diagnostic.file:
        column = f":{diagnostic.column}" if diagnostic.column else ""
        lines.append(
            line(
                "  ",
                Span(f"{checkout.relative(diagnostic.file)}:{diagnostic.line}{column}", "bold"),
            )
        )
    lines += verbatim(
        f"{level}: {diagnostic.message}", look.width, "  ", "red" if level == "error" else "yellow"
    )
    lines += [line(Span(f"  {text}", "dim")) for text in diagnostic.excerpt]
    if diagnostic.message.startswith(("undefined reference", "undefined symbol")):
        lines += prose(
            "It is declared and used, but nothing defines it. Is the signature in your file the same?",
            look.width,
            "  ",
        )
    return lines


def _todo(result: Result, look: Look) -> list[Line]:
    exercise = result.exercise
    where = f"{result.todo_file}:{result.todo_line}" if result.todo_file else result.files[0]
    return [
        line("  read   ", Span(f"{COMMAND} lesson {exercise.id}", "bold")),
        line(
            Span(f"         (that is {exercise.module}/README.md, exercise {exercise.id})", "dim")
        ),
        line("  write  ", Span(where, "bold")),
        line("  then   ", Span(f"{COMMAND} check {exercise.id}", "bold")),
    ]


def _failed(result: Result, checkout: Checkout, look: Look) -> list[Line]:
    lines: list[Line] = []
    wrong = [test for test in result.tests if test.state not in ("pass", "todo")]
    in_full = len(wrong) if result.chosen else 1
    for test in wrong[:in_full]:
        lines += failing.full(test, result, checkout, look.width)
    others = wrong[in_full:]
    for test in others[:_OTHERS]:
        lines += failing.short(test, result, checkout, look.width, look.unicode)
    if others[_OTHERS:]:
        lines.append(line(f"  and {len(others) - _OTHERS} more"))
    if others:
        command = f"{COMMAND} check {result.exercise.id} --test NAME"
        lines.append(line("  any of them in full: ", Span(command, "bold")))
    for breach in result.breaches:
        lines.append(line("  ", Span(f"{breach.file}:{breach.line}", "bold"), f"  {breach.source}"))
        lines += prose(_sentence(breach.message), look.width, "    ")
    if not wrong and not result.breaches:
        lines += prose(_sentence(result.message), look.width, "  ")
    if result.left_out and not result.chosen:
        tests = "1 test was" if result.left_out == 1 else f"{result.left_out} tests were"
        lines.append(line(Span(f"  {tests} not run, since each that hangs takes seconds", "dim")))
    if result.skipped:
        lines.append(
            line(
                Span(f"  not run until these pass: its {' and '.join(result.skipped)} tests", "dim")
            )
        )
    unwritten = sum(test.state == "todo" for test in result.tests)
    if unwritten:
        lines.append(line(Span(f"  {unwritten} more stop at what is not written yet", "dim")))
    return [*lines, _hint(result.exercise)]


def _remarks(result: Result, checkout: Checkout, look: Look) -> list[Line]:
    """What is no failure but worth a word."""
    lines: list[Line] = []
    for notice in result.notices:
        lines += prose(
            f"warning: {notice.file}:{notice.line}: {notice.message}", look.width, "  ", "yellow"
        )
    for warning in result.warnings[:1]:
        lines += _diagnostic(warning, checkout, look, "warning")
    if len(result.warnings) > 1:
        more = len(result.warnings) - 1
        warnings = "warning" if more == 1 else "warnings"
        lines.append(line(Span(f"  and {more} more compiler {warnings} in your file", "dim")))
    return lines


# ---- all of it ----------------------------------------------------------------------------------


def totals(results: Sequence[Result]) -> str:
    words = (
        ("pass", "passes", "pass"),
        ("fail", "fails", "fail"),
        ("broken", "does not compile", "do not compile"),
        ("blocked", "blocked", "blocked"),
        ("todo", "not written yet", "not written yet"),
    )
    counted = [(sum(r.state == state for r in results), one, many) for state, one, many in words]
    return ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in counted if n)


def check_report(
    results: Sequence[Result],
    checkout: Checkout,
    catalog: Catalog,
    look: Look,
    following: Exercise | None,
    *,
    quiet_next: bool = False,
) -> list[Line]:
    """The whole answer of `check`. `following` is the exercise to go on with."""
    lines: list[Line] = []
    several = len(results) > 1
    width = max((len(r.exercise.slug) for r in results), default=0) if several else 0
    for result in results:
        lines.append(summary_line(result, look, width))
        # Among several, what is not begun needs no paragraph each.
        if not (several and result.state in ("todo", "blocked")):
            lines += details(result, checkout, look)
        elif result.state == "blocked":
            lines += prose(_sentence(result.message), look.width, "  ")
    if several:
        lines.append(line(""))
        lines.append(line(f"{len(results)} exercises: {totals(results)}"))
        if not quiet_next and (first := next((r for r in results if r.state == "todo"), None)):
            lines.append(
                line("first to write: ", Span(f"{COMMAND} lesson {first.exercise.id}", "bold"))
            )
    if any(r.chosen for r in results):
        lines.append(
            line(Span("Only the tests you named ran, so nothing is recorded as progress.", "dim"))
        )
    if not quiet_next and all(r.state == "pass" for r in results):
        lines += next_step(following, look)
    return lines


def next_step(following: Exercise | None, look: Look) -> list[Line]:
    if following is None:
        return [line("That was the last one: every exercise is done.")]
    stretch = ", a stretch exercise" if following.stretch else ""
    return [
        line(
            f"next: {following.id} {following.title} ({following.slug}{stretch}), about {following.minutes} minutes"
        ),
        line("  ", Span(f"{COMMAND} lesson {following.id}", "bold")),
    ]


def as_text(lines: Sequence[Line]) -> str:
    """For tests and logs."""
    return "\n".join(plain(part).rstrip() for part in lines)


def learner_paths(root: Path, exercise: Exercise) -> list[str]:
    return [str(Path(exercise.module) / file) for file in exercise.files]
