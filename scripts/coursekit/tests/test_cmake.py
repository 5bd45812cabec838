"""The build files, on a small course in a path with a space: they configure, alone and together."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from coursekit.tests import fake_course

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(
    not (shutil.which("cmake") and shutil.which("ninja")), reason="needs cmake and ninja"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = fake_course.make(tmp_path / "a b")
    for name in ("cmake", "coursekit", "testkit"):
        shutil.copytree(
            ROOT / "scripts" / name,
            root / "scripts" / name,
            ignore=shutil.ignore_patterns("__pycache__", "tests"),
        )
    for name in ("CMakeLists.txt", "CMakePresets.json"):
        shutil.copy(ROOT / name, root / name)
    # A module's own CMakeLists.txt differs from another's in nothing but the project's name.
    text = (ROOT / "module1-executor/CMakeLists.txt").read_text()
    for module in ("module0-first", "module1-second"):
        (root / module / "CMakeLists.txt").write_text(text.replace("module1-executor", module))
    return root


def cmake(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["cmake", *arguments], cwd=root, capture_output=True, text=True)


def targets(build: Path) -> str:
    return subprocess.run(
        ["ninja", "-C", str(build), "-t", "targets", "all"], capture_output=True, text=True
    ).stdout


def test_the_whole_course_configures_by_preset(root: Path) -> None:
    fake_course.write(root / "module1-second/demo/race.cc", "int main() {}\n")
    configured = cmake(root, "--preset", "whole")
    assert configured.returncode == 0, configured.stderr
    found = targets(root / "build/whole")
    for target in ("ground_test", "alpha_test", "beta_stress_test", "demo_race"):
        assert f"\n{target}: phony" in found
    assert (root / "build/whole/compile_commands.json").is_file()


def test_a_module_configures_alone_with_a_file_deleted(root: Path) -> None:
    (root / "module1-second/include/rt/room/beta.h").unlink()
    configured = cmake(root, "-S", "module1-second", "-B", "build", "-G", "Ninja")
    assert configured.returncode == 0, configured.stderr
    found = targets(root / "build")
    assert "\nbeta_test: phony" in found
    assert "ground_test" not in found


def test_a_wrong_choice_is_said(root: Path) -> None:
    failed = cmake(root, "--preset", "learner", "-DRT_SUBJECT=mine")
    assert failed.returncode != 0
    assert "RT_SUBJECT is 'mine', which is none of learner, solutions" in failed.stderr


def test_an_old_compiler_is_told_what_to_install(root: Path) -> None:
    assert cmake(root, "--preset", "learner").returncode == 0
    # What CMake found out about the compiler, changed by hand: an old one is seldom at hand.
    (known,) = (root / "build/learner/CMakeFiles").glob("*/CMakeCXXCompiler.cmake")
    version = re.compile(r'(CMAKE_CXX_COMPILER_VERSION) "[^"]*"')
    known.write_text(version.sub(r'\1 "11.4.0"', known.read_text()))
    failed = cmake(root, "--preset", "learner")
    assert failed.returncode != 0
    said = " ".join(failed.stderr.split())
    assert "11.4.0 is too old" in said
    assert "sudo apt-get install g++-12" in said


def test_a_mistake_in_exercises_toml_stops_with_its_message(root: Path) -> None:
    fake_course.write(root / "module1-second/exercises.toml", "module = 1")
    failed = cmake(root, "--preset", "learner")
    assert failed.returncode != 0
    assert "module1-second/exercises.toml" in failed.stderr


def test_what_is_not_written_fails_and_what_needs_it_is_skipped(root: Path) -> None:
    """ctest says "failed" of a stub; only of what somebody else's stub stops, "skipped"."""
    assert cmake(root, "--preset", "learner").returncode == 0

    def properties(target: str) -> str:
        return (root / f"build/learner/module1-second/{target}_labels.cmake").read_text()

    assert "SKIP" not in properties("alpha_test")
    assert 'SKIP_REGULAR_EXPRESSION "exercise (0[.]1|1[.]1|1[.]2) is not' in properties(
        "gamma_test"
    )
