"""The part of the self-test that proves an exported runtime."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from coursekit.selftest import exporting

SERVER = """#!{python}
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
stream = server.accept()[0]
while data := stream.recv(64):
    stream.sendall(data{change})
sys.exit({code})
"""


def program(folder: Path, change: str = "", code: int = 0) -> Path:
    path = folder / "server"
    path.write_text(SERVER.format(python=sys.executable, change=change, code=code), "utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "change, code, says",
    [("", 0, ""), (".upper()", 0, "answers b'HELLO'"), ("", 3, "ends with 3")],
)
def test_a_server_is_asked(tmp_path: Path, change: str, code: int, says: str) -> None:
    said = exporting.echoes(program(tmp_path, change, code))
    assert says in said and bool(said) == bool(says)


def test_a_server_that_says_no_port_is_no_server(tmp_path: Path) -> None:
    path = tmp_path / "server"
    path.write_text("#!/bin/sh\n", "utf-8")
    path.chmod(0o755)
    assert "in place of its port" in exporting.echoes(path)


@pytest.mark.parametrize(
    "line",
    ["// exercise 2.3", "// Lesson 4", "// BEGIN SOLUTION 1.1", "a stub", "// TODO", "module 5"],
)
def test_words_of_the_course_are_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.h").write_text(f"int exercised;\n{line}\n", "utf-8")
    assert list(exporting.of_the_course(tmp_path)) == [f"a.h:2: {line}"]
