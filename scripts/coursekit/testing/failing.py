"""How a test that went wrong is told: in full, or on a line. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from coursekit.course.paths import Checkout
from coursekit.telling.text import Line, Span, line, plain, prose, verbatim
from coursekit.testing import crashes
from coursekit.testing.check import About, Result
from coursekit.testing.verdicts import TestResult

_HANG_LINES = 40
_MESSAGE_LINES = 60
_FAILURES = 3  # failed expectations of one test that are shown in full
_BUG_LINES = 3
_FIRST_STEPS, _LAST_STEPS = 3, 10  # of a long list, that are shown
_FOLDED = 4  # fewer than these are not worth a fold

# A step of the test ("  12. unpark()"), or a row of a model's table ("  12 parker.h:47  loads state_").
_STEP = re.compile(r"^ +\d+\.? ")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _became(test: TestResult) -> str:
    leaked = bool(test.state == "fail" and crashes.leak(test.output))
    if leaked:
        return "failed, and leaked memory" if test.failures else "leaked memory"
    if test.state == "crash":
        return "failed, then crashed" if test.failures else "crashed"
    return {"fail": "failed", "hang": "hangs"}.get(test.state, test.state)


def _fitting(text: str, room: int, unicode: bool) -> str:
    return text if len(text) <= room else text[: room - 1] + ("…" if unicode else "~")


# ---- on a line ----------------------------------------------------------------------------------


def short(
    test: TestResult, result: Result, checkout: Checkout, width: int, unicode: bool
) -> list[Line]:
    """A test on a line or two, where it failed or how it died; and a usual cause."""
    kind = "" if test.kind == "unit" else f" ({test.kind})"
    # What came after a failed expectation is for the full account.
    became = "failed" if test.failures and test.state != "hang" else _became(test)
    head = f"  {test.name}{kind} {became}"
    why = _why(test, result, checkout)
    whole = head + why if why.startswith(" ") or not why else f"{head}: {why}"
    lines = [line(whole)]
    if len(whole) > width:
        lines = [line(head), line("      ", _fitting(why.strip(), width - 6, unicode))]
    about = result.about.get(test.name)
    if about is not None and about.bug:
        told = _fitting(f"a usual cause: {about.bug}", width - 6, unicode)
        lines.append(line("      ", Span(told, "cyan")))
    return lines


def _why(test: TestResult, result: Result, checkout: Checkout) -> str:
    """ " at a.cc:3", or what happened; places are in the short form."""
    if test.failures and test.failures[0].file:
        failure = test.failures[0]
        return f" at {Path(failure.file).name}:{failure.line}"
    crash = crashes.read(test.output, checkout.root) if test.state in ("crash", "fail") else None
    if crash is not None and not crash.is_leak:
        return crashes.headline(crash, result.files)
    if crash is not None:
        frame = crashes.blamed(crash, ())  # where it was made, not who called that
        return f" from {Path(frame.file).name}:{frame.line}" if frame else ""
    first = next((part.strip() for part in test.message.splitlines() if part.strip()), "")
    if test.state == "crash" and (place := crashes.kit_place(test.output, result.files)):
        what = "std::terminate" if "std::terminate" in first else first.partition(" (")[0]
        return f"{what} at {Path(place).name}"
    return first


# ---- in full ------------------------------------------------------------------------------------


def full(test: TestResult, result: Result, checkout: Checkout, width: int) -> list[Line]:
    """All that helps with a test, and a usual cause. Of tests that were asked for by name, everything."""
    lines = [
        line("  ", Span(test.name, "bold"), f" ({test.kind}) ", Span(_became(test), "bold red"))
    ]
    lines += _what_happened(test, result, checkout, width)
    about = result.about.get(test.name)
    if about is not None:
        # With a leak and nothing else, the bug it looks for is not there.
        only_leaked = not test.failures and bool(crashes.leak(test.output))
        lines += _about(about, lines, width, with_bug=not only_leaked)
    return lines


def _about(about: About, so_far: Sequence[Line], width: int, *, with_bug: bool) -> list[Line]:
    """Where the test is, if nothing said so yet, and its bug."""
    lines: list[Line] = []
    if not any(f"{about.file}:" in plain(text) for text in so_far):
        lines.append(line("    the test: ", Span(f"{about.file}:{about.line}", "bold")))
    if about.bug and with_bug:
        told = prose(f"a usual cause: {about.bug}", width, "    ", "cyan")
        if len(told) > _BUG_LINES:
            last = plain(told[_BUG_LINES - 1]).rstrip(" .,;:")
            told = [*told[: _BUG_LINES - 1], line(Span(f"{last[: width - 4]} ...", "cyan"))]
        lines += told
    return lines


def _what_happened(test: TestResult, result: Result, checkout: Checkout, width: int) -> list[Line]:
    if test.state == "hang":
        report = [part.replace(f"{checkout.root}/", "") for part in test.message.splitlines()]
        report = report if result.chosen else folded(report)
        return verbatim("\n".join(_cut(report, _HANG_LINES)), width, "    ")
    lines: list[Line] = []
    for failure in test.failures[:_FAILURES]:
        message = failure.message.splitlines()
        if not result.chosen:
            message = _cut(folded(message), _MESSAGE_LINES)
        lines += verbatim("\n".join(message), width, "    ")
        if failure.file:
            place = f"{checkout.relative(failure.file)}:{failure.line}"
            lines.append(line("    ", Span(place, "bold")))
    more = len(test.failures) - _FAILURES
    if more > 0:
        what = f"{more} more failed expectation{'s' if more > 1 else ''} in this test"
        lines.append(line(Span(f"    and {what}", "dim")))
    if test.state == "crash" or crashes.leak(test.output):
        lines += _crash(test, result, checkout, width)
    elif not test.failures:
        lines += prose(_sentence(test.message), width, "    ")
    return lines


def _crash(test: TestResult, result: Result, checkout: Checkout, width: int) -> list[Line]:
    def near(text: str) -> str:
        return text.replace(f"{checkout.root}/", "")

    told_steps = crashes.last_step([failure.message for failure in test.failures])
    crash = crashes.read(test.output, checkout.root)
    if crash is not None:
        lines = _story(crash, result, width)
        # Of a leak in a test that failed, the failure is told already.
        if not (crash.is_leak and test.failures):
            steps = crashes.steps(test.output, told_steps)
            lines += verbatim(near("\n".join(steps)), width, "    ")
        return lines
    told = crashes.kit_report(test.output, told_steps)
    if told:
        return verbatim(near("\n".join(told)), width, "    ")
    words = near("\n".join(crashes.last_words(test.output)))
    return [
        *prose(_sentence(near(test.message)), width, "    "),
        *verbatim(words, width, "    ", "dim"),
    ]


def _story(crash: crashes.Crash, result: Result, width: int) -> list[Line]:
    lines: list[Line] = []
    for kind, text in crashes.story(crash, result.files):
        if kind == "prose":
            lines += prose(text, width, "    ")
        elif kind == "remark":
            lines += prose(text, width, "    ", "dim")
        elif kind == "title":
            lines += verbatim(f"{text}:", width, "    ", "dim")
        else:
            own = text.partition(":")[0] in result.files
            lines += verbatim(text, width, "      ", "bold" if own else "dim")
    return lines


def folded(lines: Sequence[str]) -> list[str]:
    """Of a long list of steps, how it began and what came last."""
    out: list[str] = []
    steps: list[list[str]] = []  # each with the lines that continue it

    def flush() -> None:
        left_out = len(steps) - _FIRST_STEPS - _LAST_STEPS
        if left_out < _FOLDED:
            shown = steps
        else:
            note = f"  … {left_out} steps are left out here; --test NAME shows all of them …"
            shown = [*steps[:_FIRST_STEPS], [note], *steps[-_LAST_STEPS:]]
        out.extend(text for step in shown for text in step)
        steps.clear()

    for text in lines:
        if _STEP.match(text):
            steps.append([text])
        elif steps and text.startswith("  "):
            steps[-1].append(text)
        else:
            flush()
            out.append(text)
    flush()
    return out


def _cut(lines: Sequence[str], most: int) -> list[str]:
    if len(lines) <= most:
        return list(lines)
    return [*lines[:most], f"({len(lines) - most} more lines)"]
