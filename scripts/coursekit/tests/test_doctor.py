"""course doctor: what it says of a machine, good or bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coursekit import cli
from coursekit.building import doctor
from coursekit.building.doctor import Finding
from coursekit.course.paths import Checkout
from coursekit.telling.report import as_text
from coursekit.tests import faketree


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return faketree.use(faketree.make(tmp_path / "the course"), monkeypatch)


GOOD = Finding("cmake", True, True, "3.25.1 (/usr/bin/cmake)")
BAD = Finding("ninja", False, True, "not there", "sudo apt-get install ninja-build")
SMALL = Finding("gdb", False, False, "not there", "sudo apt-get install gdb")


@pytest.mark.parametrize(
    ("findings", "status", "says"),
    [
        ((GOOD,), 0, "Everything that the course needs is here."),
        ((GOOD, SMALL), 0, "One optional thing is not."),
        ((GOOD, BAD, SMALL), 3, "Missing: ninja."),
    ],
)
def test_exit_code_and_summary(
    checkout: Checkout,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    findings: tuple[Finding, ...],
    status: int,
    says: str,
) -> None:
    monkeypatch.setattr(doctor, "examinations", lambda _: [lambda f=f: f for f in findings])
    assert cli.main(["doctor"]) == status
    out = capsys.readouterr().out
    assert says in out and "\x1b" not in out and max(map(len, out.splitlines())) <= 80
    assert all(finding.mend in out for finding in findings)
    assert cli.main(["doctor", "--json"]) == status
    data = json.loads(capsys.readouterr().out)
    assert data["ok"] is (status == 0) and [c["state"] for c in data["checks"]] == [
        f.state for f in findings
    ]


@pytest.mark.parametrize(
    ("version", "wanted", "fine"),
    [("3.25.1", (3, 25), True), ("3.9", (3, 25), False), ("4.0", (3, 25), True), ("", (3,), False)],
)
def test_versions_are_compared_as_numbers(
    version: str, wanted: tuple[int, ...], fine: bool
) -> None:
    assert doctor.at_least(version, wanted) is fine


@pytest.mark.parametrize(
    ("status", "said", "ok", "mend"),
    [
        (0, "", True, ""),
        (
            66,
            "FATAL: ThreadSanitizer: unexpected memory mapping 0x55",
            False,
            "vm.mmap_rnd_bits=28",
        ),
        (1, "==1==LeakSanitizer has encountered a fatal error.", False, "--cap-add=SYS_PTRACE"),
        (-11, "", False, "clang++-16"),
    ],
)
def test_sanitizers_that_do_not_work_say_why(status: int, said: str, ok: bool, mend: str) -> None:
    finding = doctor.judge_sanitizer("ThreadSanitizer", status, said, [])
    assert finding.ok is ok and mend in finding.mend


def test_room() -> None:
    assert doctor.judge_disk(100 << 30, Path("/")).state == "ok"
    assert doctor.judge_disk(2 << 30, Path("/")).state == "optional"
    assert doctor.judge_disk(1 << 20, Path("/")).state == "missing"
    assert doctor.memory("MemAvailable:  8000000 kB\n").state == "ok"
    assert doctor.memory("MemAvailable:   800000 kB\n").state == "optional"
    assert doctor.memory("").ok


def test_tools_and_libraries(tmp_path: Path) -> None:
    assert doctor.tool("no-such-tool", "a-package").state == "missing"
    assert "apt-get install a-package" in doctor.tool(
        "no-such-tool", "a-package"
    ).mend or "package manager" in doctor.install("x")
    assert doctor.tool("python3", "python3", wanted=(99,)).state == "missing"
    assert doctor.tool("python3", "python3", wanted=(3,)).ok
    assert doctor.python().ok and doctor.python_module("click").ok
    assert doctor.python_module("no_such_module_at_all").mend.endswith(
        "python3-no_such_module_at_all"
    )
    found = tmp_path / "GTest"
    assert doctor.library("GoogleTest", "GTest", ("libgtest-dev",), [tmp_path]).state == "optional"
    found.mkdir()
    (found / "GTestConfigVersion.cmake").write_text('set(PACKAGE_VERSION "1.12.1")\n', "utf-8")
    assert doctor.library("GoogleTest", "GTest", (), [tmp_path]).found == f"1.12.1 ({found})"


def test_a_build_folder_is_tried(checkout: Checkout, tmp_path: Path) -> None:
    assert doctor.build_folder(checkout).ok
    blocked = tmp_path / "file"
    blocked.write_text("", "utf-8")
    assert (
        doctor.build_folder(Checkout(tmp_path, tmp_path, blocked / "build", False)).state
        == "missing"
    )
    assert doctor.checkout_finding(Checkout(tmp_path, tmp_path, tmp_path, True)).state == "optional"


def test_long_findings_are_wrapped() -> None:
    said = as_text(
        doctor.lines(Finding("x", False, False, "word " * 40, "mend it"), 80)
    ).splitlines()
    assert len(said) > 3 and max(map(len, said)) <= 80 and said[-1] == "         mend it"
