"""Which compiler the course is built by: a clang that can do all that is asked of it, else g++."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from coursekit.errors import MACHINE, USAGE, CourseError

# A clang takes half of g++'s time. The newest first; what is not known here is not chosen.
_CLANGS = ("clang++", *(f"clang++-{version}" for version in range(21, 15, -1)))
_GNUS = ("g++", "g++-15", "g++-14", "g++-13", "g++-12")

# What a compiler has to have besides itself: the library's coroutines, and the sanitizers' runtimes.
_PROBE = """\
#include <coroutine>
#include <string>
int main() { return static_cast<int>(std::string().size()); }
"""


def find(asked: str = "") -> Path:
    """The compiler to use: the one asked for, else a clang that is complete, else g++, whatever CXX says."""
    if asked:
        found = shutil.which(asked)
        if found is None:
            raise CourseError(
                f"there is no compiler {asked!r} on this machine. Give --cxx a name or a path.",
                USAGE,
            )
        if reason := too_old(Path(found)):
            raise CourseError(reason, MACHINE)
        return Path(found)
    for compiler in _installed((*_CLANGS, *_GNUS)):
        if not too_old(compiler) and (not is_clang(compiler) or is_complete(compiler)):
            return compiler
    plain = shutil.which("g++")
    if plain is None:
        raise CourseError("g++ is not installed. `sudo apt-get install g++` installs it.", MACHINE)
    raise CourseError(too_old(Path(plain)), MACHINE)


def find_for_speed() -> Path:
    """Whose programs are measured: g++'s, where it is new enough.

    The CPU time of clang 16's beside g++ 12's (medians of seven pairs, two workers): yield 1.24 alone
    and 1.10 among many, channel 1.08, timers 1.06, spawn 1.01, ping-pong 0.98, chain 0.87.
    """
    for compiler in _installed(_GNUS):
        if not too_old(compiler):
            return compiler
    return find()


def of(folder: Path) -> Path | None:
    """The compiler that a build folder is configured for; None when it is not configured."""
    try:
        cache = (folder / "CMakeCache.txt").read_text("utf-8", "replace")
    except OSError:
        return None
    match = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", cache, re.MULTILINE)
    return Path(match[1]) if match else None


def is_clang(compiler: Path) -> bool:
    return "clang" in compiler.name


def identities(asked: str) -> list[object]:
    """Changes when one of the compilers that find() looks at comes, goes or is replaced."""
    found = [Path(shutil.which(asked) or asked)] if asked else _installed((*_CLANGS, *_GNUS))
    return [_identity(compiler) for compiler in found]


def _identity(compiler: Path) -> tuple[object, ...]:
    real = compiler.resolve()
    try:
        info = real.stat()
    except OSError:
        return (str(real),)
    # A clang without its runtimes is passed over: they come and go with a package of their own.
    runtimes = real.parent.parent / "lib/clang"
    when = [f.stat().st_mtime_ns for f in sorted(runtimes.glob("*/lib/*"))] if runtimes else []
    return (str(real), info.st_size, info.st_mtime_ns, *when)


def _installed(names: Sequence[str]) -> Iterator[Path]:
    """In the order of preference."""
    for name in names:
        found = shutil.which(name, path="/usr/bin:/bin:/usr/local/bin") or shutil.which(name)
        if found is not None:
            yield Path(found)


def is_complete(compiler: Path) -> bool:
    """Whether it builds a program under each sanitizer. A clang may lack its runtimes, or find no C++ library
    because parts of a newer g++ are installed and others not."""
    with tempfile.TemporaryDirectory(prefix="course-compiler-") as folder:
        source = Path(folder, "probe.cc")
        source.write_text(_PROBE, "utf-8")
        return all(_builds(compiler, source, name) for name in ("address,undefined", "thread"))


def _builds(compiler: Path, source: Path, sanitizer: str) -> bool:
    command = [str(compiler), "-std=c++20", f"-fsanitize={sanitizer}", str(source), "-o", "probe"]
    try:
        made = subprocess.run(command, capture_output=True, check=False, cwd=source.parent)
    except OSError:
        return False
    return made.returncode == 0


def too_old(compiler: Path) -> str:
    """Why the compiler cannot be used; empty if it can."""
    try:
        answer = subprocess.run(
            [compiler, "--version"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        return f"{compiler} cannot be run: {error.strerror}."
    return judge_version(str(compiler), answer.stdout)


def judge_version(compiler: str, answer: str) -> str:
    """Why the compiler with this --version cannot be used; empty if it can."""
    first = (answer.splitlines() or [""])[0]
    clang = "clang" in first
    without_package = re.sub(r"\([^)]*\)", "", first)
    match = re.search(r"(\d+)\.\d+", without_package)
    if match is None:
        return f"{compiler} does not say which version it is. The course needs g++ 12 or clang 16, or later."
    needed = 16 if clang else 12
    if int(match[1]) >= needed:
        return ""
    name, package = ("clang", "clang-16") if clang else ("g++", "g++-12")
    return (
        f"{compiler} is {name} {match[0]}, and the course needs {name} {needed} or later. "
        f"Install one (`sudo apt-get install {package}`), then give `--cxx {'clang++-16' if clang else 'g++-12'}`."
    )
