"""What can be said of a learner's file without compiling it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from coursekit.course.catalog import Forbid

_TOKEN = re.compile(
    r"""
      //(?:\\\n|[^\n])*                                  # a comment to the end of the line
    | /\*.*?(?:\*/|\Z)                                   # a comment
    | (?:u8|[uUL])?R"(?P<tag>[^()\\\s]{0,16})\(.*?(?:\)(?P=tag)"|\Z)  # a raw string
    | "(?:\\.|[^"\\\n])*"?                               # a string
    | (?<![0-9A-Za-z_])(?:u8|[uUL])?'(?:\\.|[^'\\\n])+'  # a character, not a digit separator
    """,
    re.VERBOSE | re.DOTALL,
)


def strip_comments_and_strings(text: str) -> str:
    """The code alone. Everything keeps its place: what is taken out becomes blanks."""
    return _TOKEN.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


@dataclass(frozen=True)
class Place:
    """A line of a file, and what is to be said about it."""

    file: str
    line: int
    source: str
    message: str


def problem(path: Path, shown: str, exercise: str) -> str:
    """Why the file cannot be compiled at all; empty when it can be tried."""
    bring_back = f"`scripts/course reset {exercise}` brings the stub back"
    if path.is_dir():
        return f"{shown} is a folder, and a file is expected there. Remove it; {bring_back}."
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        gone = "points to a file that does not exist" if path.is_symlink() else "is missing"
        return f"{shown} {gone}. {bring_back[0]}{bring_back[1:]}."
    except PermissionError:
        return f"{shown} cannot be read: permission denied. `chmod u+rw {shown}` fixes that."
    except OSError as error:
        return f"{shown} cannot be read: {error.strerror}."
    if not data.strip():
        return f"{shown} is empty. {bring_back}."
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return f"{shown}:{line} is not UTF-8 text. Save the file as UTF-8; {bring_back}."
    return ""


def read(path: Path) -> str:
    """The text, or nothing if there is none to be had."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def unwritten(text: str, exercise: str) -> bool:
    """True if something of the exercise is still to be written."""
    if "RT_TODO" not in text:
        return False
    return (
        re.search(rf'\bRT_TODO\(\s*"{re.escape(exercise)}"\s*\)', _without_comments(text))
        is not None
    )


def _without_comments(text: str) -> str:
    return _TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m[0]) if m[0].startswith("/") else m[0], text)


def forbidden(text: str, shown: str, rules: tuple[Forbid, ...]) -> list[Place]:
    """Each rule's first breach. Comments and strings may say what they like."""
    if not rules:
        return []
    code = strip_comments_and_strings(text)
    lines = text.splitlines()
    found = []
    for rule in rules:
        if match := re.search(rule.pattern, code, re.MULTILINE):
            line = code.count("\n", 0, match.start()) + 1
            source = lines[line - 1].strip() if line <= len(lines) else ""
            found.append(Place(shown, line, source, rule.hint))
    return found


_AWAITED_BRACES = re.compile(r"\bco_await\s+((?:::)?[A-Za-z_][\w:]*(?:<[^;{}()]*>)?)\s*\{")


def awaited_aggregates(text: str, shown: str) -> list[Place]:
    """Braced temporaries in co_await expressions: g++ 12 destroys them twice if they are aggregates."""
    if "co_await" not in text:
        return []
    code = strip_comments_and_strings(text)
    lines = text.splitlines()
    found = []
    for match in _AWAITED_BRACES.finditer(code):
        line = code.count("\n", 0, match.start()) + 1
        found.append(
            Place(
                shown,
                line,
                lines[line - 1].strip() if line <= len(lines) else "",
                f"`co_await {match[1]}{{…}}`: if {match[1]} is an aggregate, g++ 12 destroys this temporary twice. "
                "Give it a constructor, or name it first. Lesson 1.8 has a note on this compiler.",
            )
        )
    return found


_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)


def included(text: str) -> list[str]:
    """The names in its #include "…" lines, in order."""
    return _INCLUDE.findall(text)
