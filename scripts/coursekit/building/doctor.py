"""What this machine has and lacks for the course, and the command that supplies it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from coursekit.building import build, compilers
from coursekit.course.paths import Checkout
from coursekit.errors import CourseError
from coursekit.telling.text import Line, Span, line, prose
from coursekit.testing import pool

_GIB = 1 << 30
_DISK_NEEDED = 1 * _GIB  # preset learner, all modules
_DISK_WANTED = 4 * _GIB  # every preset and sanitizer


@dataclass(frozen=True)
class Finding:
    """One line of the answer."""

    name: str
    ok: bool
    needed: bool  # without it, `check` does not work
    found: str  # what there is, or what is wrong
    mend: str = ""  # the command, when it is not ok

    @property
    def state(self) -> str:
        return "ok" if self.ok else "missing" if self.needed else "optional"


def install(*packages: str) -> str:
    """How packages are got here."""
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        return f"install {names} (as Debian calls it) with your package manager"
    return f"{'' if os.geteuid() == 0 else 'sudo '}apt-get install {names}"


def version_of(command: Sequence[str]) -> str:
    """The first number in what a tool says of itself; empty if it cannot be run."""
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=build.build_environment(),
        )
    except (OSError, UnicodeDecodeError):
        return ""
    match = re.search(
        r"\d+(\.\d+)+", re.sub(r"\([^)]*\)", "", (answer.stdout.splitlines() or [""])[0])
    )
    return match[0] if match else ""


def at_least(version: str, wanted: tuple[int, ...]) -> bool:
    return (
        tuple(int(part) for part in version.split(".") if part.isdigit())[: len(wanted)] >= wanted
    )


# ---- the tools ----------------------------------------------------------------------------------


def python() -> Finding:
    version = platform.python_version()
    fine = sys.version_info >= (3, 11)
    return Finding(
        "python3",
        fine,
        True,
        f"{version} ({sys.executable})",
        "" if fine else install("python3.11"),
    )


def python_module(name: str) -> Finding:
    if importlib.util.find_spec(name) is None:
        return Finding(f"python {name}", False, True, "not there", install(f"python3-{name}"))
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = "there"
    return Finding(f"python {name}", True, True, version)


def compiler() -> Finding:
    try:
        found = compilers.find()
    except CourseError as error:
        return Finding(
            "g++", False, True, error.message.split(". ")[0].removesuffix("."), install("g++")
        )
    return Finding(found.name, True, True, f"{version_of([str(found), '--version'])} ({found})")


def clang() -> Finding:
    """Not needed. (A machine that has one uses it: see compilers.find.)"""
    try:
        found = compilers.find()
    except CourseError:
        found = Path("g++")
    if compilers.is_clang(found):
        return Finding("clang", True, False, f"{found.name} builds the course")
    version = os.environ.get("COURSE_CLANG", "16")  # scripts/course knows this system's
    why = "with it a check takes two thirds of the time (100 MB)"
    return Finding(
        "clang", False, False, why, install(f"clang-{version}", f"libclang-rt-{version}-dev")
    )


def tool(
    name: str, package: str, *, wanted: tuple[int, ...] = (), needed: bool = True, why: str = ""
) -> Finding:
    path = shutil.which(name, path=build.build_environment()["PATH"])
    if path is None:
        return Finding(name, False, needed, f"not there{why and '; ' + why}", install(package))
    version = version_of([path, "--version"])
    if wanted and not at_least(version, wanted):
        least = ".".join(map(str, wanted))
        return Finding(
            name,
            False,
            needed,
            f"{version or 'unknown version'} ({path}), {least} or later is needed",
            install(package),
        )
    return Finding(name, True, needed, f"{version} ({path})" if version else path)


def library(
    name: str, config: str, packages: Sequence[str], folders: Sequence[Path] | None = None
) -> Finding:
    """Whether find_package() will find it, by looking where CMake looks."""
    places = folders if folders is not None else library_folders()
    for folder in places:
        for found in sorted(folder.glob(config)):
            version = next(
                (v for f in found.glob("*ConfigVersion.cmake") if (v := _config_version(f))), ""
            )
            return Finding(name, True, False, f"{version} ({found})".strip())
    return Finding(
        name,
        False,
        False,
        "not there: the first build fetches it, which takes a network and time",
        install(*packages),
    )


def library_folders() -> list[Path]:
    prefixes = [Path(p) for p in os.environ.get("CMAKE_PREFIX_PATH", "").split(":") if p]
    prefixes += [Path("/usr"), Path("/usr/local")]
    return [
        folder
        for prefix in prefixes
        for folder in (prefix / "lib/cmake", *prefix.glob("lib/*/cmake"), prefix / "lib64/cmake")
    ]


def _config_version(file: Path) -> str:
    try:
        match = re.search(r'PACKAGE_VERSION "?([\d.]+)', file.read_text("utf-8", "replace"))
    except OSError:
        return ""
    return match[1] if match else ""


# ---- what the machine lets programs do ----------------------------------------------------------

_PROBE = "#include <thread>\nint main() { int n = 0; std::thread t([&] { n = 1; }); t.join(); return n - 1; }\n"


def sanitizer(name: str, title: str) -> Finding:
    """Builds a program with it, and runs that."""
    try:
        compiler_path = compilers.find()
    except CourseError:
        return Finding(title, False, True, "cannot be tried without a compiler", install("g++"))
    with tempfile.TemporaryDirectory(prefix="course-doctor-") as folder:
        source, binary = Path(folder, "probe.cc"), Path(folder, "probe")
        source.write_text(_PROBE, "utf-8")
        command = [
            str(compiler_path),
            "-g1",
            "-pthread",
            f"-fsanitize={name}",
            str(source),
            "-o",
            str(binary),
        ]
        made = subprocess.run(
            command, capture_output=True, check=False, env=build.build_environment(), cwd=folder
        )
        if made.returncode != 0:
            return Finding(
                title,
                False,
                True,
                "its libraries are not there",
                install(_runtime(compiler_path, name)),
            )
        prefix = pool.without_aslr() if name == "thread" else []
        ran = subprocess.run(
            [*prefix, str(binary)],
            capture_output=True,
            check=False,
            env=pool.test_environment(),
            stdin=subprocess.DEVNULL,
        )
    return judge_sanitizer(
        title, ran.returncode, (ran.stdout + ran.stderr).decode("utf-8", "replace"), prefix
    )


def _runtime(compiler_path: Path, name: str) -> str:
    match = re.search(r"-(\d+)$", compiler_path.name)
    if "clang" in compiler_path.name:
        return f"libclang-rt-{match[1] if match else '16'}-dev"
    return {"address": "libasan8", "thread": "libtsan2"}.get(name, "g++")


def judge_sanitizer(title: str, status: int, said: str, prefix: Sequence[str]) -> Finding:
    """What it means when a program without errors does not end well under a sanitizer."""
    if status == 0:
        return Finding(
            title,
            True,
            True,
            f"works{', started by ' + ' '.join(Path(p).name for p in prefix) if prefix else ''}",
        )
    if "unexpected memory mapping" in said:
        return Finding(
            title,
            False,
            True,
            "addresses are spread too widely for it here, and `setarch -R` is refused",
            "sudo sysctl vm.mmap_rnd_bits=28   (a container: start it with --security-opt seccomp=unconfined)",
        )
    if "LeakSanitizer" in said:
        return Finding(
            title,
            False,
            True,
            "its search for leaks is refused (ptrace)",
            "start the container with --cap-add=SYS_PTRACE, and no debugger around the tests",
        )
    words = next(
        (part.strip() for part in said.splitlines() if part.strip()), f"exit code {status}"
    )
    return Finding(
        title,
        False,
        True,
        f"a program that is right ends with: {words[:100]}",
        "scripts/course check --cxx clang++-16",
    )


def address_space() -> Finding:
    """g++'s ThreadSanitizer stands 28 bits of randomness; more needs setarch, which the runner uses."""
    try:
        bits = int(Path("/proc/sys/vm/mmap_rnd_bits").read_text("ascii"))
    except (OSError, ValueError):
        return Finding("address randomness", True, False, "unknown here")
    if bits <= 28:
        return Finding("address randomness", True, False, f"{bits} bits")
    if pool.without_aslr():
        return Finding(
            "address randomness",
            True,
            False,
            f"{bits} bits, so thread tests are started by setarch -R",
        )
    return Finding(
        "address randomness",
        False,
        False,
        f"{bits} bits, and setarch -R does not work",
        "sudo sysctl vm.mmap_rnd_bits=28",
    )


# ---- room ---------------------------------------------------------------------------------------


def disk(folder: Path) -> Finding:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return judge_disk(shutil.disk_usage(folder).free, folder)


def judge_disk(free: int, folder: Path) -> Finding:
    said = f"{free / _GIB:.1f} GiB free in {folder}"
    if free < _DISK_NEEDED:
        return Finding(
            "disk",
            False,
            True,
            f"{said}, a build takes {_DISK_NEEDED // _GIB}",
            "rm -r build, or make room elsewhere",
        )
    if free < _DISK_WANTED:
        return Finding(
            "disk",
            False,
            False,
            f"{said}; `selftest` takes {_DISK_WANTED // _GIB}",
            "rm -r build, or make room elsewhere",
        )
    return Finding("disk", True, True, said)


def memory(meminfo: str | None = None) -> Finding:
    if meminfo is None:
        try:
            meminfo = Path("/proc/meminfo").read_text("ascii")
        except OSError:
            meminfo = ""
    match = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
    if match is None:
        return Finding("memory", True, False, "unknown here")
    available = int(match[1]) * 1024
    said = f"{available / _GIB:.1f} GiB available, {pool.usable_cpus()} CPUs"
    if available < _GIB:
        return Finding(
            "memory",
            False,
            False,
            f"{said}; a compiler takes up to one",
            "close something large, or scripts/course check --jobs 1",
        )
    return Finding("memory", True, False, said)


def checkout_finding(checkout: Checkout) -> Finding:
    if checkout.read_only:
        return Finding(
            "checkout",
            False,
            False,
            f"{checkout.root} cannot be written to, so you cannot solve anything in it",
            f"git clone {shlex.quote(str(checkout.root))} ~/course   # and work there",
        )
    return Finding("checkout", True, False, str(checkout.root))


def build_folder(checkout: Checkout) -> Finding:
    """Tries it: permissions say little on a full or foreign file system."""
    folder = checkout.builds
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            os.chmod(file.name, 0o755)
    except OSError as error:
        return Finding(
            "build folder",
            False,
            True,
            f"{folder}: {error.strerror}",
            f"sudo chown -R $(id -u) {folder}",
        )
    return Finding("build folder", True, True, str(folder))


# ---- all of it ----------------------------------------------------------------------------------


def examinations(checkout: Checkout) -> list[Callable[[], Finding]]:
    """In the order in which they are shown."""
    return [
        python,
        lambda: python_module("click"),
        lambda: python_module("rich"),
        lambda: python_module("jinja2"),
        compiler,
        lambda: tool("cmake", "cmake", wanted=(3, 25)),
        lambda: tool("ninja", "ninja-build"),
        lambda: library("GoogleTest", "GTest", ("libgtest-dev", "libgmock-dev")),
        lambda: library("Abseil", "absl", ("libabsl-dev",)),
        lambda: sanitizer("address", "AddressSanitizer"),
        lambda: sanitizer("thread", "ThreadSanitizer"),
        address_space,
        lambda: disk(checkout.builds),
        memory,
        lambda: checkout_finding(checkout),
        lambda: build_folder(checkout),
        lambda: tool("git", "git", needed=False, why="`reset` looks there for stubs"),
        lambda: tool("gdb", "gdb", needed=False, why="for your own use"),
        lambda: tool("ld.lld", "lld", needed=False, why="it links faster"),
        clang,
    ]


def examine(checkout: Checkout) -> Iterator[Finding]:
    """Each finding as soon as it and those before it are known."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        for pending in [pool.submit(examination) for examination in examinations(checkout)]:
            yield pending.result()


_STYLES = {"ok": "green", "missing": "bold red", "optional": "yellow"}
_NAME_WIDTH = 19


def lines(finding: Finding, width: int) -> list[Line]:
    word = Span(f"{finding.state:<9}", _STYLES[finding.state])
    indent = " " * (9 + _NAME_WIDTH)
    first, *rest = prose(finding.found, max(20, width - len(indent))) or [line("")]
    out = [line(word, f"{finding.name:<{_NAME_WIDTH}}", *first)]
    out += [line(indent, *part) for part in rest]
    if not finding.ok and finding.mend:
        out.append(line(" " * 9, Span(finding.mend, "bold")))
    return out


def summary(findings: Sequence[Finding], width: int) -> list[Line]:
    missing = [f.name for f in findings if not f.ok and f.needed]
    if missing:
        return prose(
            f"Missing: {', '.join(missing)}. The commands above install or fix it.",
            width,
            "",
            "bold",
        )
    left = sum(not f.ok for f in findings)
    return prose(
        "Everything that the course needs is here."
        + (
            f" {left} optional things are not."
            if left > 1
            else " One optional thing is not."
            if left
            else ""
        ),
        width,
    )


def as_object(findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "ok": all(f.ok for f in findings if f.needed),
        "checks": [
            {
                "name": f.name,
                "state": f.state,
                "needed": f.needed,
                "found": f.found,
                "mend": f.mend or None,
            }
            for f in findings
        ],
    }
