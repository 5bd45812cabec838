"""Proves an exported runtime from end to end, as a program outside of the course meets it."""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from coursekit.building import build, compilers
from coursekit.course import exports
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.testing import pool

_BOTH = ("Debug", "Release")
_SECONDS = 60  # that the server may take for anything; only a hang takes as long

_CMAKE = """\
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
find_package(rt 1.0 REQUIRED)
add_executable(outside outside.cc)
target_link_libraries(outside PRIVATE rt::rt)
target_compile_options(outside PRIVATE -Wall -Wextra)
"""

_PROGRAM = """\
#include <array>
#include <cstdio>

#include "rt/rt.h"

// Serves one connection, and says on which port.
rt::Async<int> serve() {
  auto listener = rt::TcpListener::bind(rt::SocketAddress::loopback(0));
  if (!listener.ok()) co_return 1;
  std::printf("%d\\n", listener->local_address()->port());
  std::fflush(stdout);
  auto stream = co_await listener->accept();
  if (!stream.ok()) co_return 2;
  std::array<char, 256> buffer;
  while (true) {
    auto got = co_await stream->read(absl::MakeSpan(buffer));
    if (!got.ok()) co_return 3;
    if (*got == 0) co_return 0;
    auto sent = co_await stream->write_all({buffer.data(), *got});
    if (!sent.ok()) co_return 4;
  }
}

int main() {
  auto runtime = rt::Runtime::create(2);
  return runtime.ok() ? (*runtime)->block_on(serve()) : 5;
}
"""


def works(bench: Bench) -> Iterator[Outcome]:
    """Its tests in Debug, and a program that uses it in Release: half a minute."""
    yield from _works(bench, compilers.find(), ["Debug"], ["Release"])


def works_everywhere(bench: Bench) -> Iterator[Outcome]:
    for compiler in dict.fromkeys((compilers.find(), compilers.find("g++"))):
        for outcome in _works(bench, compiler, _BOTH, _BOTH):
            yield replace(outcome, name=f"{compiler.name}: {outcome.name}")


def _works(
    bench: Bench, compiler: Path, own: Sequence[str], outside: Sequence[str]
) -> Iterator[Outcome]:
    """`own`, `outside`: the build types of its own tests and of a program outside of it."""
    with tempfile.TemporaryDirectory(prefix="course selftest ") as temporary:
        project, prefix = Path(temporary) / "a runtime", Path(temporary) / "installed"
        plan = exports.planned(bench.checkout, bench.catalog, mine=False)
        exports.make(bench.checkout, plan, project)
        yield Outcome("nothing in it is of the course", "\n".join(of_the_course(project)))
        folder = project / "build"
        problem = _configured(bench, compiler, project, folder)
        if 'by "absl"' in problem or "Could NOT find GTest" in problem:
            yield Outcome("it is built", skipped="Abseil or GoogleTest is not installed here")
            return
        yield Outcome("it configures", problem)
        if not problem:
            yield from _tested(bench, folder, own)
            install = ["cmake", "--install", str(folder), "--prefix", str(prefix)]
            yield Outcome("it installs", _run(bench, [*install, "--config", own[0]]))
            yield from _outside(bench, compiler, Path(temporary) / "outside", prefix, outside)


def of_the_course(project: Path) -> Iterator[str]:
    """Each line of a project that speaks of exercises and the like."""
    for path in sorted(project.rglob("*")):
        if path.is_file():
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if exports.OF_THE_COURSE.search(line):
                    yield f"{path.relative_to(project)}:{number}: {line.strip()}"


def _tested(bench: Bench, folder: Path, types: Sequence[str]) -> Iterator[Outcome]:
    for kind in types:
        problem = _compiled(bench, folder, kind)
        yield Outcome(f"it compiles, {kind}", problem)
        if not problem:
            yield from _tests(bench, folder, kind)


def _tests(bench: Bench, folder: Path, kind: str) -> Iterator[Outcome]:
    command = ["ctest", "--test-dir", str(folder), "-C", kind, "-j", str(bench.jobs)]
    said = bench.run([*command, "--output-on-failure"])
    rows = re.findall(r"Test +#\d+: (\S+) \.* *(Passed|\*\*\*\w[\w ]*)", said.stdout)
    if not rows:
        yield Outcome(f"its tests run, {kind}", said.stdout + said.stderr)
    for test, state in rows:
        yield Outcome(f"{test}, {kind}", "" if state == "Passed" else said.stdout)


def _outside(
    bench: Bench, compiler: Path, program: Path, prefix: Path, types: Sequence[str]
) -> Iterator[Outcome]:
    program.mkdir()
    (program / "CMakeLists.txt").write_text(_CMAKE, "utf-8")
    (program / "outside.cc").write_text(_PROGRAM, "utf-8")
    folder = program / "build"
    problem = _configured(bench, compiler, program, folder, f"-DCMAKE_PREFIX_PATH={prefix}")
    yield Outcome("a program outside finds it", problem)
    for kind in types if not problem else ():
        wrong = _compiled(bench, folder, kind) or echoes(folder / kind / "outside")
        yield Outcome(f"a program outside serves an echo, {kind}", wrong)


def echoes(program: Path) -> str:
    """What is wrong with a server that says its port, serves one connection, and ends."""
    server = subprocess.Popen(
        [program], stdout=subprocess.PIPE, text=True, env=pool.test_environment()
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        if not port.isdigit():
            return f"it says {port!r} in place of its port"
        with socket.create_connection(("127.0.0.1", int(port)), timeout=_SECONDS) as connection:
            connection.sendall(b"hello")
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(64), b""))
        code = server.wait(_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        server.kill()
        server.wait()
    if answer != b"hello":
        return f"it answers {answer!r} to b'hello'"
    return f"it ends with {code}" if code else ""


def _configured(bench: Bench, compiler: Path, source: Path, folder: Path, *options: str) -> str:
    command = ["cmake", "-S", str(source), "-B", str(folder), "-G", "Ninja Multi-Config"]
    choices = [f"-DCMAKE_CXX_COMPILER={compiler}", "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON"]
    return _run(bench, [*command, *choices, *options])


def _compiled(bench: Bench, folder: Path, kind: str) -> str:
    return _run(bench, ["cmake", "--build", str(folder), "--config", kind, "-j", str(bench.jobs)])


def _run(bench: Bench, command: Sequence[str]) -> str:
    """What a command said, if it failed."""
    answer = bench.run(command)
    return (answer.stdout + answer.stderr).strip() or "it failed" if answer.returncode else ""
