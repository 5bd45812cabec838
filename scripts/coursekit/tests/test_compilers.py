"""Which compiler is taken: a clang that is complete before a g++, and what is too old never."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from coursekit.building import compilers
from coursekit.errors import CourseError


def fake(folder: Path, name: str, version: str, builds: bool = True) -> None:
    program = folder / name
    program.write_text(
        f"#!/bin/sh\n[ \"$1\" = --version ] && echo '{version}' && exit 0\nexit {int(not builds)}\n"
    )
    program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of our own, and nothing else that is looked into."""
    monkeypatch.setenv("PATH", str(tmp_path))
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, path=None: real(name))
    fake(tmp_path, "g++", "g++ (Debian 12.2.0-14) 12.2.0")
    return tmp_path


def test_clang_where_it_is_there(machine: Path) -> None:
    assert compilers.find() == machine / "g++"
    fake(machine, "clang++-16", "Debian clang version 16.0.6 (15~deb12u1)")
    assert compilers.find() == machine / "clang++-16"


def test_an_old_clang_is_passed_over(machine: Path) -> None:
    fake(machine, "clang++", "Debian clang version 14.0.6")
    assert compilers.find() == machine / "g++"


def test_a_clang_that_cannot_build_a_program_is_passed_over(machine: Path) -> None:
    fake(machine, "clang++-16", "Debian clang version 16.0.6", builds=False)
    assert compilers.find() == machine / "g++"


def test_what_was_asked_for_is_taken_or_refused(machine: Path) -> None:
    fake(machine, "clang++-16", "Debian clang version 16.0.6")
    assert compilers.find("g++") == machine / "g++"
    fake(machine, "g++-9", "g++ (Debian 9.3.0-1) 9.3.0")
    for asked, says in (("g++-9", "g++ 12 or later"), ("icc", "no compiler 'icc'")):
        with pytest.raises(CourseError, match=says.replace("+", r"\+")):
            compilers.find(asked)


def test_a_compiler_that_comes_goes_or_changes_is_another_identity(machine: Path) -> None:
    seen = [compilers.identities("")]
    fake(machine, "clang++-16", "Debian clang version 16.0.6")
    seen.append(compilers.identities(""))
    fake(machine, "clang++-16", "Debian clang version 16.0.7, and longer")
    seen.append(compilers.identities(""))
    (machine / "clang++-16").unlink()
    seen.append(compilers.identities(""))
    assert seen[0] == seen[3] and seen[1] not in (seen[0], seen[2])
    assert compilers.identities("") == compilers.identities("")
