"""Which tests a test file has, which bug each says that it is here for, and one of them alone. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_TEST = re.compile(
    r"^(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P)\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE
)
_BUG = re.compile(r"\bBugs? (?:it is|they are|this is) here for:\s*")


@dataclass(frozen=True)
class Written:
    """A test in its source."""

    name: str  # Suite.Name
    line: int
    bug: str  # one line of text; empty if the comment above it names none


def written_in(source: str) -> list[Written]:
    """The tests of a file, in its order."""
    lines = source.splitlines()
    found: list[Written] = []
    for match in _TEST.finditer(source):
        number = source.count("\n", 0, match.start())
        found.append(Written(f"{match[1]}.{match[2]}", number + 1, _bug(lines[:number])))
    return found


def alone(source: str, name: str) -> str:
    """The file with one test and no other, and what they share. Every line stays where it was."""
    lines = source.splitlines()
    for test in written_in(source):
        if test.name != name:
            start = test.line - 1
            end = _last_line(lines, start)
            lines[start : end + 1] = [""] * (end + 1 - start)
    return "\n".join(lines) + "\n"


def _last_line(lines: Sequence[str], first: int) -> int:
    """Of the test that begins there. Relies on the formatter: a body ends where a line begins with its brace."""
    opening = next(i for i in range(first, len(lines)) if "{" in lines[i])
    if lines[opening].endswith("}"):
        return opening
    return next(i for i in range(opening + 1, len(lines)) if lines[i].startswith("}"))


def _bug(above: Sequence[str]) -> str:
    comment: list[str] = []
    for text in reversed(above):
        if not text.startswith("//"):
            break
        comment.append(text.removeprefix("//").strip())
    joined = " ".join(reversed(comment))
    match = _BUG.search(joined)
    bug = joined[match.end() :] if match else ""
    return "" if bug.startswith("nothing") else bug  # the plain case


def plain_name(name: str) -> str:
    """A name as the source has it, of one that GoogleTest made: Prefix/Suite.Name/3."""
    suite, _, test = name.partition(".")
    parts = [part for part in suite.split("/") if not part.isdigit()]
    return f"{parts[-1] if parts else suite}.{test.partition('/')[0]}"


def matching(asked: str, names: Iterable[str]) -> list[str]:
    """The tests that are meant: the one of this name, else all that contain it."""
    known = list(dict.fromkeys(names))
    small = asked.lower()
    return (
        [name for name in known if name == asked]
        or [name for name in known if name.partition(".")[2] == asked]
        or [name for name in known if small in name.lower()]
    )


def nearest(asked: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The names that look most like it."""
    small = asked.lower()

    def likeness(name: str) -> float:
        forms = (name.lower(), name.lower().partition(".")[2])
        return max(difflib.SequenceMatcher(None, small, form).ratio() for form in forms)

    return sorted(dict.fromkeys(names), key=likeness, reverse=True)[:count]
