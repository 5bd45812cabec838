"""scripts/course, the shell front, on machines that are made up: fake dpkg-query, apt-get, sudo and id."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

COURSE = Path(__file__).resolve().parents[2] / "course"
LEARNER = "g++ lld cmake ninja-build libgtest-dev libgmock-dev libabsl-dev python3 python3-click python3-rich python3-jinja2 git"


@dataclass
class Machine:
    root: Path  # a checkout whose Python only says what it was called with
    bin: Path
    log: Path  # every call of a fake tool
    env: dict[str, str]

    def tool(self, name: str, body: str) -> None:
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.log}"\n{body}\n')
        path.chmod(0o755)

    def installed(self, packages: str) -> None:
        answer = " ".join(f"ii :{package}" for package in packages.split())
        self.tool("dpkg-query", f'printf "%s " "{answer}"')

    def run(
        self, *arguments: str, script: str | None = None, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script or str(self.root / "scripts/course"), *arguments],
            env={**self.env, **changes},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    root = tmp_path / "my course"
    (root / "scripts/coursekit").mkdir(parents=True)
    shutil.copy(COURSE, root / "scripts/course")
    (root / "scripts/coursekit/__main__.py").write_text(
        "import sys\nprint('called', sys.argv[1:])\n"
    )
    fakes = tmp_path / "bin"
    fakes.mkdir()
    env = {
        "PATH": f"{fakes}:/usr/bin:/bin",
        "HOME": str(tmp_path / "home"),
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(tmp_path),
    }
    made = Machine(root, fakes, tmp_path / "log", env)
    made.installed(LEARNER)
    made.tool("apt-get", "exit 0")
    made.tool("id", "echo 0")
    for name in ("g++", "ninja", "git"):
        made.tool(name, "exit 0")
    made.tool("cmake", 'echo "cmake version 3.25.1"')
    return made


def test_hands_over_every_argument(machine: Machine) -> None:
    answer = machine.run("check", "1.6", "a b", "")
    assert answer.stdout == "called ['check', '1.6', 'a b', '']\n"
    assert answer.stderr == ""


def test_second_call_asks_the_package_manager_nothing(machine: Machine) -> None:
    machine.run("status")
    machine.log.unlink()
    assert machine.run("status").returncode == 0
    assert machine.calls() == []


def test_through_a_relative_link_and_from_another_folder(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links/c").symlink_to("../my course/scripts/course")
    (machine.bin / "again").symlink_to(tmp_path / "links/c")
    assert machine.run("x", script=str(tmp_path / "links/c")).stdout == "called ['x']\n"
    assert machine.run("x", script="again").stdout == "called ['x']\n"


def test_root_without_a_terminal_installs_what_is_missing(machine: Machine) -> None:
    machine.installed(LEARNER.replace("libabsl-dev ", ""))
    answer = machine.run("check")
    assert answer.returncode == 0
    assert answer.stdout == "called ['check']\n"
    assert "lacks: libabsl-dev" in answer.stderr
    assert [call for call in machine.calls() if call.startswith("apt-get")] == [
        "apt-get -q update",
        "apt-get -q -y install --no-install-recommends libabsl-dev",
    ]


def test_selftest_needs_more(machine: Machine) -> None:
    machine.run("selftest")
    assert any("clang-16" in call for call in machine.calls() if call.startswith("apt-get"))


@pytest.mark.parametrize("asked", ["--help", "-h", "--list"])
def test_who_asks_for_help_gets_no_packages(machine: Machine, asked: str) -> None:
    assert f"called ['selftest', '{asked}']" in machine.run("selftest", asked).stdout
    assert not [call for call in machine.calls() if call.startswith("apt-get")]


def test_a_checkout_keeps_its_line_ends_whatever_git_is_told() -> None:
    root = COURSE.parents[1]
    if not (root / ".git").exists():
        pytest.skip("no checkout of git")
    answer = subprocess.run(
        ["git", "-C", str(root), "check-attr", "eol", "--", "scripts/course", "README.md"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.count("eol: lf") == 2


def test_not_root_without_a_terminal_uses_sudo_that_asks_nothing(machine: Machine) -> None:
    machine.installed(LEARNER.replace(" git", ""))
    machine.tool("id", "echo 1000")
    machine.tool("sudo", '[ "$1" = -n ] && shift\nexec "$@"')
    assert machine.run("check").returncode == 0
    assert "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get -q update" in machine.calls()


def test_not_root_and_sudo_wants_a_password(machine: Machine) -> None:
    machine.installed(LEARNER.replace(" git", ""))
    machine.tool("id", "echo 1000")
    machine.tool("sudo", "exit 1")
    answer = machine.run("check")
    assert answer.returncode == 3
    assert "sudo apt-get install --no-install-recommends git" in answer.stderr
    assert not any(call.startswith("apt-get") for call in machine.calls())


def test_no_network(machine: Machine) -> None:
    machine.installed(LEARNER.replace(" git", ""))
    machine.tool("apt-get", "echo \"Temporary failure resolving 'deb.debian.org'\"; exit 100")
    answer = machine.run("check")
    assert answer.returncode == 3
    assert "no way to the package archive" in answer.stderr
    assert answer.stdout == ""


def test_apt_fails_otherwise(machine: Machine) -> None:
    machine.installed(LEARNER.replace(" git", ""))
    machine.tool("apt-get", "echo 'E: Could not get lock /var/lib/dpkg/lock'; exit 100")
    answer = machine.run("check")
    assert answer.returncode == 3
    assert "E: Could not get lock" in answer.stderr


def _on_a_terminal(machine: Machine, answer: bytes, *arguments: str) -> tuple[int, str]:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(str(machine.root / "scripts/course"), ["course", *arguments], machine.env)
    os.write(terminal, answer)
    seen = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), seen.decode()


@pytest.mark.usefixtures("terminals")
def test_on_a_terminal_no_means_no(machine: Machine) -> None:
    machine.installed(LEARNER.replace(" git", ""))
    code, seen = _on_a_terminal(machine, b"n\n", "check")
    assert code == 3
    assert "Install it now" in seen
    assert not any(call.startswith("apt-get") for call in machine.calls())


@pytest.mark.usefixtures("terminals")
def test_on_a_terminal_enter_means_yes(machine: Machine) -> None:
    machine.installed(LEARNER.replace(" git", ""))
    code, seen = _on_a_terminal(machine, b"\n", "check")
    assert code == 0
    assert "called ['check']" in seen


@pytest.mark.usefixtures("terminals")
def test_yes_is_not_asked(machine: Machine) -> None:
    machine.installed(LEARNER.replace(" git", ""))
    code, seen = _on_a_terminal(machine, b"", "check", "--yes", "1.1")
    assert code == 0
    assert "Install it now" not in seen
    assert "called ['check', '1.1']" in seen


def test_cmake_too_old(machine: Machine) -> None:
    machine.tool("cmake", 'echo "cmake version 3.22.1"')
    answer = machine.run("check")
    assert answer.returncode == 3
    assert "3.22.1" in answer.stderr and "3.25" in answer.stderr


def test_checkout_that_cannot_be_written_to(machine: Machine, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    machine.root.chmod(0o555)
    try:
        assert machine.run("status").returncode == 0
        assert (tmp_path / "home/.cache/course/packages").exists()
    finally:
        machine.root.chmod(0o755)
