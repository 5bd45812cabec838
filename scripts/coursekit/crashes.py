"""Shortens what a dying test printed to what a learner can use."""

from __future__ import annotations

import os
import re
from pathlib import Path

_FRAME = re.compile(
    r"^\s*#\d+ (?:0x[0-9a-f]+ in )?(?P<function>.+?) (?P<file>/.+?):(?P<line>\d+)(?::\d+)?(?: \(.*)?$"
)
_ANY_FRAME = re.compile(r"^\s*#\d+ ")
_HEADER = re.compile(
    r"^\s*((?:READ|WRITE|Read|Write|Previous|Atomic|As if|Mutex|freed by|previously allocated|Direct leak|Indirect leak"
    r"|Location is|Thread T|Cycle in|Hint|The signal|\S+ is located|\[).*?):?$"
)
_NOISE = re.compile(r"^(\[[ =\-A-Z]+\]|Note: Google Test|Running main|=+$|\s*$)")


def _tidy(text: str) -> str:
    """Without addresses: they say nothing, and differ each time."""
    text = re.sub(r"^\s*0x[0-9a-f]+ is located", "it is located", text)
    text = re.sub(
        r" (?:at|on address|of|inside of|region|heap block|address) \[?0x[0-9a-f]+(?:,0x[0-9a-f]+)?[)\]]?",
        "",
        text,
    )
    text = re.sub(r" at pc .*$| \(pc .*$|\(pid=\d+\)|\(tid=\d+[^)]*\)", "", text)
    return text.strip()


def sanitizer_report(output: str, root: Path, *, sections: int = 3, frames: int = 2) -> list[str]:
    """The parts of a sanitizer's report: what happened, and where in the course's own files."""
    lines: list[str] = []
    header = ""
    shown = 0
    parts = 0
    for raw in output.splitlines():
        if _ANY_FRAME.match(raw):
            match = _FRAME.match(raw)
            if match is None or shown >= frames or parts >= sections:
                continue
            file = Path(os.path.normpath(match["file"]))
            if not file.is_relative_to(root) or file.is_relative_to(root / "build"):
                continue
            if header:
                lines.append(f"{header}:")
                header = ""
            shown += 1
            lines.append(f"  {file.relative_to(root)}:{match['line']}  in {match['function']}")
        elif _HEADER.match(raw):
            if shown:
                parts += 1
            header, shown = _tidy(raw).rstrip(":"), 0
        elif "runtime error: " in raw:
            place, _, what = raw.partition(": runtime error: ")
            lines.append(f"runtime error: {what}")
            lines.append(f"  {place.removeprefix(str(root) + '/')}")
    return lines


def last_words(output: str, count: int = 8) -> list[str]:
    """The end of what it printed, without GoogleTest's frame."""
    lines = [line.rstrip() for line in output.splitlines() if not _NOISE.match(line)]
    return lines[-count:]
