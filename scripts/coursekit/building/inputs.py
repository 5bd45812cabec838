"""What a build reads, by its content: what is built has to be what is on disk.

ninja compares times. So it takes an object for new when its source was saved while the compiler
read the one before, or was replaced by an older file (a restored backup, an unpacked archive).
Here the content at the beginning of each build is remembered, and a file that is not as that build
found it, but is older than its end, gets the present time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from coursekit.errors import CourseError

# A digest and the time of each file, by its path. Without the time, a change that is taken back
# while the compiler runs would not be seen.
Contents = Mapping[str, str]

_MEMORY = "course-inputs.json"
_READ_BY_COMPILERS = (".h", ".cc")
_SLACK_NS = 2_000_000_000  # two file systems may disagree about the present by that much


def contents(root: Path) -> Contents:
    """Every file of the course that a compiler may read, as it is now."""
    found: dict[str, str] = {}
    for path in _sources(root):
        try:
            found[path] = _seen(path)
        except OSError:
            continue
    return found


def _seen(path: str) -> str:
    with open(path, "rb") as file:
        modified = os.fstat(file.fileno()).st_mtime_ns
        return f"{hashlib.blake2b(file.read(), digest_size=16).hexdigest()} {modified}"


def _sources(root: Path) -> Iterator[str]:
    tops = [
        *root.glob("module*-*"),
        *(root / "solutions").glob("module*-*"),
        root / "scripts/testkit",
        root / "scripts/cmake",
        root / "scripts/bench",
    ]
    for top in tops:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                # What is no plain file (a device, a pipe) is not for us to read.
                if name.endswith(_READ_BY_COMPILERS) and os.path.isfile(path):
                    yield path


def changed(before: Contents, after: Contents) -> list[str]:
    """The files that came, went or are different, in order."""
    every = before.keys() | after.keys()
    return sorted(path for path in every if before.get(path) != after.get(path))


# ---- what a build folder remembers --------------------------------------------------------------


def begin(folder: Path, root: Path, now_ns: int) -> tuple[Contents, str]:
    """Before each build: makes ninja see what its times do not show.

    Returns what the build is going to read, and the target that ended the last build, as note_end()
    noted it, if no file is another since.
    """
    now = dict(contents(root))
    memory = folder / _MEMORY
    try:
        noted = json.loads(memory.read_text("utf-8"))
        files = {str(key): str(value) for key, value in noted["contents"].items()}
        # Not there if that build was cut off: then nobody knows which objects it still wrote.
        ended_at = int(noted.get("ended_at", now_ns))
        ended_by = str(noted.get("ended_by", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        files, ended_at, ended_by = {}, 0, ""
    if ended_at > now_ns + _SLACK_NS:
        # The clock was set back. To ninja, objects from the future are newer than any save to come.
        (folder / ".ninja_deps").unlink(missing_ok=True)
    is_as_it_was = files == now
    for path, seen in now.items():
        modified = _modified(path)
        replaced = files.get(path, seen) != seen and modified <= ended_at
        if replaced or modified > now_ns + _SLACK_NS:
            try:
                os.utime(path)
                now[path] = _seen(path)
            except OSError:
                pass  # not ours to touch; nothing else can be done
    _write(memory, {"contents": now})
    return now, ended_by if is_as_it_was else ""


def note_end(folder: Path, now_ns: int, ended_by: str = "") -> None:
    """After each build. `ended_by`: after this target's program nobody wanted to know more."""
    memory = folder / _MEMORY
    noted = json.loads(memory.read_text("utf-8"))
    _write(memory, {**noted, "ended_at": now_ns, "ended_by": ended_by})


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _write(memory: Path, fields: Mapping[str, object]) -> None:
    memory.write_text(json.dumps(fields), "utf-8")


# ---- files from the future ----------------------------------------------------------------------


def refuse_the_future(root: Path, now_ns: int) -> None:
    """CMake's own files must not be newer than now: ninja would run CMake again and again."""
    patterns = (
        "CMakeLists.txt",
        "CMakePresets.json",
        "module*-*/CMakeLists.txt",
        "module*-*/exercises.toml",
        "solutions/mutants/*.toml",
        "scripts/cmake/*",
        "scripts/testkit/CMakeLists.txt",
        "scripts/bench/CMakeLists.txt",
        "scripts/coursekit/*/*.py",
    )
    late = [
        path
        for pattern in patterns
        for path in sorted(root.glob(pattern))
        if _modified(str(path)) > now_ns + _SLACK_NS
    ]
    if not late:
        return
    more = f" and {len(late) - 1} more files" if len(late) > 1 else ""
    raise CourseError(
        f"{late[0].relative_to(root)}{more} was last changed in the future, says its date, so the build "
        "would never be up to date. Was the clock of this machine set back, or does the file come from an "
        "archive of another time zone?",
        detail=f"This gives such files the present time:\n  find {root} -newermt now -exec touch {{}} +",
    )
