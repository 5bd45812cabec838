"""Proves that the rooms of include/rt/ are floors: an include goes down, or stays in its room."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from coursekit.course.sources import included
from coursekit.selftest.outcome import Bench, Outcome

# From the ground up. Rooms on one floor do not see each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("platform",),
    ("trace",),
    ("future",),
    ("task",),
    ("driver",),
    ("net", "process", "time", "sync"),
    ("runtime",),
    ("fs",),  # above the runtime: a file blocks, and its pool is a runtime's
    ("exercise",),
)
FACE = "rt/rt.h"  # stands above all rooms, in none: what programs include in place of many headers
_FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
_MOST_FILES = 20  # a room that holds more hides what is in it


def layers(bench: Bench) -> Iterator[Outcome]:
    for top in (bench.root, bench.root / "solutions"):
        for module in bench.catalog.modules:
            include = top / module.name / "include"
            texts = {
                header.relative_to(include).as_posix(): header.read_text("utf-8")
                for header in sorted(include.rglob("*.h"))
            }
            shown = include.relative_to(bench.root).as_posix()
            for header, text in texts.items():
                yield Outcome(f"{shown}/{header}", "\n".join(problems(header, text)))
            for room, count in files_in(texts).items():
                crowded = f"it holds {count} files; at most {_MOST_FILES} are wanted"
                yield Outcome(f"{shown}/{room}", crowded if count > _MOST_FILES else "")


def problems(header: str, text: str) -> Iterator[str]:
    """What is wrong with where a header lies and what it includes."""
    match = re.fullmatch(r"rt/(\w+)/\w+\.h", header)
    room = match[1] if match else ""
    if room not in _FLOOR_OF and header != FACE:
        yield f"it is in none of the rooms: {', '.join(_FLOOR_OF)}"
        return
    for name in included(text):
        other = re.fullmatch(r"rt/(\w+)/\w+\.h", name)
        if name == FACE:
            yield f"it includes {FACE}, which is for programs, and stands above all rooms"
        elif other is None:
            if name.startswith("rt/") or "/" not in name:
                yield f'it includes "{name}", which is not of the form rt/ROOM/NAME.h'
        elif other[1] not in _FLOOR_OF:
            yield f"it includes {name}, and there is no room {other[1]!r}"
        elif header == FACE:
            if other[1] == "exercise":
                yield f"it includes {name}, and no program has a use for an exercise's own"
        elif other[1] != room and _FLOOR_OF[other[1]] >= _FLOOR_OF[room]:
            yield f"it includes {name}, and {room}/ lies below {other[1]}/, or beside it"


def files_in(headers: Mapping[str, str]) -> dict[str, int]:
    rooms = [Path(header).parent.as_posix() for header in headers if header != FACE]
    return {room: rooms.count(room) for room in sorted(set(rooms))}
