"""Reads what ninja and the compilers print: which edges failed, and the first error of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Edge:
    """One command that ninja ran."""

    description: str
    outputs: tuple[str, ...]  # filled in only when it failed
    text: str  # what it printed

    @property
    def failed(self) -> bool:
        return bool(self.outputs)


@dataclass(frozen=True)
class Diagnostic:
    file: str  # as the compiler says it; empty for the linker
    line: int
    column: int
    message: str
    excerpt: tuple[str, ...] = ()  # the source line and the mark under it
    context: tuple[str, ...] = ()  # every other place the compiler names on the way, as file:line


_STATUS = re.compile(r"^\[(\d+)/(\d+)\] (.*)$")
_ENDINGS = (
    "ninja: build stopped",
    "ninja: error",
    "ninja: fatal",
    "ninja: no work",
    "ninja: Entering",
)


@dataclass
class NinjaReader:
    """Takes ninja's output line by line. NINJA_STATUS must be "[%f/%t] "."""

    progress: Callable[[int, int, str], None] = lambda done, total, what: None
    edges: list[Edge] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # ninja's own
    _description: str = ""
    _outputs: tuple[str, ...] = ()
    _lines: list[str] = field(default_factory=list)
    _skip_command: bool = False

    def feed(self, line: str) -> None:
        if match := _STATUS.match(line):
            self._close()
            self._description = match[3]
            if not match[3].startswith(
                "Re-checking"
            ):  # a look for new files, at the start of every build
                self.progress(int(match[1]), int(match[2]), match[3])
        elif line.startswith("FAILED: "):
            self._outputs = tuple(line.removeprefix("FAILED: ").split())
            self._skip_command = True
        elif self._skip_command:
            self._skip_command = False  # the command itself: noise to a learner
        elif line.startswith(_ENDINGS):
            self._close()
            if line.startswith(("ninja: error", "ninja: fatal")):
                self.errors.append(line.partition(": ")[2])
        else:
            self._lines.append(line)

    def finish(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._description or self._outputs or self._lines:
            self.edges.append(Edge(self._description, self._outputs, "\n".join(self._lines)))
        self._description, self._outputs, self._lines = "", (), []


_PLACE = re.compile(
    r"^(?P<file>[^\s:][^:]*):(?P<line>\d+):(?:(?P<column>\d+):)? (?P<level>fatal error|error|warning): (?P<text>.*)$"
)
_LINKER = re.compile(
    r"^(?:.*?: )?(?P<text>undefined reference to .*|multiple definition of .*|cannot find .*|undefined symbol: .*|duplicate symbol: .*)$"
)
_MENTION = re.compile(
    r"^(?:In file included from |\s+from |.*?)(?P<file>/[^\s:]+):(?P<line>\d+)(?::\d+)?[:,]"
)


# g++ and clang at their limit, and what is left of one that the system ended for want of memory.
_NO_MEMORY = re.compile(
    r"out of memory|virtual memory exhausted|[Cc]annot allocate memory|std::bad_alloc|: Killed\b|Killed signal terminated"
)
_ENDLESS = (
    "the compiler ran out of memory. Does the file include something without an end, or a template that needs "
    "itself? If the machine is short of memory, `--jobs 1` compiles one file at a time"
)


def is_disk_full(text: str) -> bool:
    """Whether a tool stopped because there was no room for what it wrote."""
    return "No space left on device" in text or "Disk quota exceeded" in text


def diagnostics(text: str, level: str) -> list[Diagnostic]:
    """Every error (or warning) of one edge, in order."""
    lines = text.splitlines()
    found: list[Diagnostic] = []
    starts = [(number, match) for number, line in enumerate(lines) if (match := _PLACE.match(line))]
    for index, (number, match) in enumerate(starts):
        if match["level"].removeprefix("fatal ") != level:
            continue
        before = starts[index - 1][0] if index else -1
        after = starts[index + 1][0] if index + 1 < len(starts) else len(lines)
        excerpt: list[str] = []
        for line in lines[number + 1 : min(number + 3, after)]:
            # g++ prints "   12 |   code" and "      |   ^~~"; older clang prints the bare line and a caret
            if (
                re.match(r"^\s*\d* \| ", line)
                or "^" in line
                or (excerpt == [] and line.startswith(" "))
            ):
                excerpt.append(line.rstrip())
            else:
                break
        lead = [line for line in lines[before + 1 : number] if not re.match(r"^\s*\d* \| ", line)]
        mentions = [
            m for line in [*lead, *lines[number + 1 : after]] if (m := _MENTION.match(line))
        ]
        found.append(
            Diagnostic(
                match["file"],
                int(match["line"]),
                int(match["column"] or 0),
                match["text"],
                tuple(excerpt),
                tuple(dict.fromkeys(f"{m['file']}:{m['line']}" for m in mentions)),
            )
        )
    return found


def first_error(edges: Iterable[Edge]) -> Diagnostic:
    """What went wrong first in these failed edges. Always an answer."""
    texts = [edge.text for edge in edges]
    if any(_NO_MEMORY.search(text) for text in texts):
        return Diagnostic("", 0, 0, _ENDLESS)
    for text in texts:
        if errors := diagnostics(text, "error"):
            return errors[0]
    for text in texts:
        for line in text.splitlines():
            if match := _LINKER.match(line):
                return Diagnostic("", 0, 0, match["text"])
    for text in texts:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        telling = [line for line in lines if "error" in line.lower() or "Killed" in line]
        if telling or lines:
            return Diagnostic("", 0, 0, (telling or lines)[0])
    return Diagnostic("", 0, 0, "the build failed, and the compiler said nothing")
