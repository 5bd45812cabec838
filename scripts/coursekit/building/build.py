"""Configures and builds through the CMake presets; says which targets could not be built, and why."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coursekit.building import compilers, inputs
from coursekit.building.compiler import (
    Diagnostic,
    Edge,
    NinjaReader,
    diagnostics,
    first_error,
    is_disk_full,
)
from coursekit.course.paths import Checkout
from coursekit.errors import MACHINE, CourseError
from coursekit.testing import processes
from coursekit.testing.pool import usable_cpus

# What a conda, a module system or a shell profile sets to point compilers elsewhere.
_MISLEADING = re.compile(
    r"^(CC|CXX|CPP|LD|AR|CFLAGS|CXXFLAGS|CPPFLAGS|LDFLAGS|CPATH|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH|LIBRARY_PATH"
    r"|GCC_EXEC_PREFIX|COMPILER_PATH|CMAKE_.*|Boost_.*|GTest_.*|absl_.*|NINJA_STATUS|DESTDIR|LANG|LANGUAGE|LC_.*|GCC_COLORS)$"
)

# Of address space, for one compiler. Without a limit, an include of /dev/zero takes all there is.
_LEAST_MEMORY, _MOST_MEMORY = 3 << 30, 6 << 30
_BYTES_PER_JOB = 900 << 20  # what one g++ needs for a test with sanitizer, at most


@dataclass(frozen=True)
class Configuration:
    """Which of the CMake presets, and by which compiler."""

    subject: str = "learner"  # learner, solutions: whose code is tested
    prior: str = "solutions"  # solutions, mine: where the rest comes from
    sanitize: str = ""  # "", address, thread, or release for none at all
    cxx: str = ""  # empty: see compilers.find
    variant: str = ""  # a build folder of its own, for other options than the preset's
    options: tuple[str, ...] = ()  # for cmake

    @property
    def preset(self) -> str:
        base = (
            "solutions"
            if self.subject == "solutions"
            else "whole"
            if self.prior == "mine"
            else "learner"
        )
        return (
            base
            + {"": "", "address": "-asan", "thread": "-tsan", "release": "-release"}[self.sanitize]
        )

    def folder(self, checkout: Checkout) -> Path:
        suffix = "-" + re.sub(r"[^\w.+-]", "_", Path(self.cxx).name) if self.cxx else ""
        return checkout.builds / ((self.variant or self.preset) + suffix)


@dataclass(frozen=True)
class Built:
    """Which targets are ready to run, and the first error of each of the others."""

    broken: Mapping[str, Diagnostic]
    warnings: tuple[Diagnostic, ...]  # of what was compiled this time
    contents: inputs.Contents = field(default_factory=dict)  # of the files when it began


Progress = Callable[[str, int, int], None]  # what, steps done, steps in all
# Asked when the program of this target has been linked, or nothing has changed since it ended the
# last build: whether to go on building. Not asked of a program whose sources have changed meanwhile.
Linked = Callable[[str], bool]


class _Enough(Exception):
    """Nobody wants the rest of what is being built."""


def build_environment() -> dict[str, str]:
    """English messages, the distribution's tools first, nobody's private flags."""
    kept = {key: value for key, value in os.environ.items() if not _MISLEADING.match(key)}
    path = "/usr/local/bin:/usr/bin:/bin"
    # /usr first: CMake also looks for packages beside the folders of PATH.
    return {
        **kept,
        "PATH": f"/usr/bin:{path}:{kept.get('PATH', '')}",
        "LC_ALL": "C.UTF-8",
        "NINJA_STATUS": "[%f/%t] ",
    }


def tool(name: str) -> str:
    found = shutil.which(name, path="/usr/bin:/bin") or shutil.which(name)
    if found is None:
        raise CourseError(
            f"{name} is not installed. `scripts/course doctor` says what this machine lacks and how to get it.",
            MACHINE,
        )
    return found


def jobs_for_memory(cpus: int, meminfo: str) -> int:
    """As many compilers as there are CPUs, but no more than memory holds: at least one."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
    return cpus if match is None else max(1, min(cpus, int(match[1]) * 1024 // _BYTES_PER_JOB))


def default_jobs() -> int:
    try:
        meminfo = Path("/proc/meminfo").read_text("ascii")
    except OSError:
        meminfo = ""
    return jobs_for_memory(usable_cpus(), meminfo)


# ---- configure ----------------------------------------------------------------------------------


def _stamp(checkout: Checkout, configuration: Configuration) -> str:
    """Everything that CMake itself does not watch. (It watches its own files, and the course's.)"""
    presets = (checkout.root / "CMakePresets.json").stat()
    return json.dumps(
        [
            str(checkout.root),
            configuration.preset,
            configuration.options,
            compilers.identities(configuration.cxx),
            presets.st_mtime_ns,
            presets.st_size,
        ]
    )


def configure(checkout: Checkout, configuration: Configuration, progress: Progress) -> None:
    """Makes the build folder, if it is not there, or was made for something else, or was left half done."""
    folder = configuration.folder(checkout)
    done = folder / "course-configured"
    stamp = _stamp(checkout, configuration)
    try:
        if done.read_text("utf-8") == stamp and (folder / "build.ninja").exists():
            return
    except OSError:
        pass
    compiler = compilers.find(configuration.cxx)
    progress(f"configuring {folder.name}", 0, 0)
    done.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        tool("cmake"),
        "--preset",
        configuration.preset,
        "-S",
        str(checkout.root),
        "-B",
        str(folder),
        "-Wno-dev",
    ]
    if (folder / "CMakeCache.txt").exists():
        command.append("--fresh")
    command += [
        f"-DCMAKE_CXX_COMPILER={compiler}",
        f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}",
        *configuration.options,
    ]
    status, output = _run(command, checkout.root)
    if status != 0:
        raise configure_error(output)
    done.write_text(_stamp(checkout, configuration), "utf-8")


def configure_error(output: str) -> CourseError:
    """CMake's first complaint."""
    if is_disk_full(output):
        return _disk_full()
    match = re.search(
        r"^CMake Error(?: at [^\n]*)?:[ \t]*\n?(.*?)(?:\n\n(?! )|\nCall Stack|\Z)",
        output,
        re.MULTILINE | re.DOTALL,
    )
    said = (
        " ".join(match[1].split())
        if match
        else (output.strip().splitlines() or ["no reason given"])[-1]
    )
    return CourseError(
        f"CMake could not set up the build: {said}",
        MACHINE,
        "`scripts/course doctor` says what this machine lacks.",
    )


def _disk_full() -> CourseError:
    return CourseError(
        "The disk is full, so the course cannot be built. A build takes up to 2 GB; `rm -r build` makes room, and "
        "costs no progress.",
        MACHINE,
    )


def _run(command: Sequence[str], cwd: Path) -> tuple[int, str]:
    lines: list[str] = []
    status = _stream(command, cwd, lines.append)
    return status, "\n".join(lines)


def _compiler_memory() -> int:
    """What one compiler may have: far more than it needs, and less than the machine has."""
    return max(
        _LEAST_MEMORY,
        min(_MOST_MEMORY, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4),
    )


def _stream(command: Sequence[str], cwd: Path, feed: Callable[[str], None], memory: int = 0) -> int:
    """Runs a tool in a session of its own and hands on what it prints. Ctrl-C ends all of it."""
    dies_with_us = processes.dies_with_us(signal.SIGINT)  # ninja ends its compilers then

    def in_child() -> None:
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        dies_with_us()

    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=build_environment(),
            start_new_session=True,
            preexec_fn=in_child,
        )
    except OSError as error:
        raise CourseError(f"{command[0]} cannot be run: {error.strerror}.", MACHINE) from error
    assert process.stdout is not None
    try:
        for raw in process.stdout:
            feed(raw.decode("utf-8", "replace").rstrip("\r\n"))
        return process.wait()
    finally:
        if process.poll() is None:
            processes.end(process)


# ---- build --------------------------------------------------------------------------------------


def build(
    checkout: Checkout,
    configuration: Configuration,
    targets: Sequence[str],
    progress: Progress,
    jobs: int | None = None,
    linked: Linked = lambda target: True,
) -> Built:
    """Configures if needed and builds the targets; one that cannot be built stops no other.

    Stale binaries of broken targets may lie in the folder: run only what is not in `broken`. If a
    file is no longer as it is in `contents`, it was saved while the compiler ran: build again.
    """
    inputs.refuse_the_future(checkout.root, time.time_ns())
    configure(checkout, configuration, progress)
    folder = configuration.folder(checkout)
    if not targets:
        return Built({}, ())
    progress("building", 0, 0)
    started = time.time_ns()
    contents, last = inputs.begin(folder, checkout.root, started)
    for target in targets[: targets.index(last) + 1] if last in targets else ():
        # They were built in this order.
        if _is_newer(folder / "bin" / target, 0) and not linked(target):
            inputs.note_end(folder, time.time_ns(), target)
            return Built({}, (), contents)

    def step(done: int, total: int, what: str) -> None:
        progress(_friendly(what), done, total)
        program = folder / what.rpartition(" ")[2]
        # ninja says the same of a link that failed, which leaves an older program, or none.
        if program.parent.name == "bin" and _is_newer(program, started):
            if inputs.contents(checkout.root) != contents or not linked(program.name):
                raise _Enough(program.name)

    reader = NinjaReader(step)
    command = [
        tool("ninja"),
        "-C",
        str(folder),
        "-k",
        "0",
        "-j",
        str(jobs or default_jobs()),
        *targets,
    ]
    try:
        status = _stream(command, checkout.root, reader.feed, _compiler_memory())
        inputs.note_end(folder, time.time_ns())
    except _Enough as enough:
        inputs.note_end(folder, time.time_ns(), str(enough))
        status = 0
    reader.finish()
    failed = [edge for edge in reader.edges if edge.failed]
    warnings = tuple(w for edge in reader.edges for w in diagnostics(edge.text, "warning"))
    if status == 0:
        return Built({}, warnings, contents)
    if any(is_disk_full(edge.text) for edge in reader.edges) or any(
        map(is_disk_full, reader.errors)
    ):
        raise _disk_full()
    for edge in failed:
        if "build.ninja" in edge.outputs:
            raise configure_error(edge.text)
    if not failed:
        said = (
            "; ".join(reader.errors)
            or "\n".join(edge.text for edge in reader.edges).strip()
            or "no reason given"
        )
        raise CourseError(
            f"ninja could not build: {said}",
            MACHINE,
            "`rm -r build` and another try often fix this.",
        )
    return Built(_blame(folder, targets, failed), warnings, contents)


def _is_newer(program: Path, than_ns: int) -> bool:
    try:
        return program.stat().st_mtime_ns >= than_ns
    except OSError:
        return False


def _friendly(description: str) -> str:
    """What ninja has been doing, in a learner's words: the file, not the command."""
    if "Re-running CMake" in description:
        return "configuring"
    match = re.search(r"\.dir/(?:.*/)?([\w.-]+?)\.o$", description) or re.search(
        r"/([\w.-]+)$", description
    )
    if match and match[1].startswith("cmake_pch"):
        return "building the precompiled headers"
    # Said when it is over, well or badly.
    return f"building {match[1]}" if match else "building"


def _blame(folder: Path, targets: Sequence[str], failed: Sequence[Edge]) -> dict[str, Diagnostic]:
    """Which targets the failed edges broke: those that have one of their outputs among their inputs."""
    broken: dict[str, Diagnostic] = {}
    inputs: dict[str, set[str]] = {}

    def ask(target: str) -> None:
        answer = subprocess.run(
            [tool("ninja"), "-C", str(folder), "-t", "inputs", target],
            capture_output=True,
            text=True,
            check=False,
            env=build_environment(),
        )
        inputs[target] = {*answer.stdout.splitlines(), target}

    waiting = list(targets)

    def work() -> None:
        while waiting:
            try:
                ask(waiting.pop())
            except IndexError:
                return

    threads = [threading.Thread(target=work) for _ in range(min(4, len(targets)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for target in targets:
        guilty = [
            edge
            for edge in failed
            if inputs[target].intersection(edge.outputs)
            or any(_is_of(target, output) for output in edge.outputs)
        ]
        if guilty:
            broken[target] = first_error(guilty)
    # Whatever cannot be laid at one door is laid at all: nothing that failed is passed over.
    return broken or {target: first_error(failed) for target in targets}


def _is_of(target: str, output: str) -> bool:
    """Whether it is the target, or one of its objects. (ninja names no object of a library of them.)"""
    return Path(output).name == target or f"/{target}.dir/" in output


def binary(checkout: Checkout, configuration: Configuration, target: str) -> Path:
    return configuration.folder(checkout) / "bin" / target
