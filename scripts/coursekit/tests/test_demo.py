"""course demo: which there are, how one is run, and what is said when it stops."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from coursekit import cli
from coursekit.building import build
from coursekit.building.compiler import Diagnostic
from coursekit.course.paths import Checkout
from coursekit.tests import faketree


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return faketree.use(faketree.make(tmp_path / "the course"), monkeypatch)


class Builder:
    """Stands in for the build: the demo is a shell script."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, script: str, broken: Diagnostic | None = None
    ) -> None:
        self.presets: list[str] = []
        self._script = script
        self._broken = broken
        monkeypatch.setattr(build, "build", self._build)

    def _build(
        self,
        checkout: Checkout,
        configuration: build.Configuration,
        targets: Sequence[str],
        progress: build.Progress,
    ) -> build.Built:
        self.presets.append(configuration.preset)
        assert list(targets) == ["demo_hello_future"]
        path = build.binary(checkout, configuration, targets[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{self._script}\n", "utf-8")
        path.chmod(0o755)
        return build.Built({targets[0]: self._broken} if self._broken else {}, ())


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["demo", *arguments])
    said = capfd.readouterr()
    return status, said.out, " ".join(said.err.split())


def test_without_a_name_they_are_listed(
    checkout: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capfd)
    assert status == 0 and "  hello_future  Counts down in two tasks.\n" in out


def test_before_anything_is_written_nothing_is_built(
    checkout: Checkout, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = Builder(monkeypatch, "echo no")
    status, _, err = run(capfd, "hello_future")
    assert status == 1 and builder.presets == []
    assert "scripts/course demo hello_future --solutions" in err and "lesson module1" in err


@pytest.mark.parametrize("name", ["hello_future", "hello-future", "demo_hello_future"])
def test_it_runs_on_the_learners_code_with_arguments(
    checkout: Checkout,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    faketree.solve(checkout.root, "module1-executor", "include/rt/future/countdown.h")
    builder = Builder(monkeypatch, 'printf "%s|" "$@"')
    status, out, _ = run(capfd, name, "-n", "5", "two words", "--fast=1")
    assert status == 0 and builder.presets == ["whole"] and out == "-n|5|two words|--fast=1|"


def test_solutions_may_stand_anywhere(
    checkout: Checkout, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = Builder(monkeypatch, "echo $#")
    assert run(capfd, "hello_future", "--solutions")[1] == "0\n"
    assert run(capfd, "--solutions", "hello_future", "--", "--solutions")[1] == "1\n"
    assert builder.presets == ["solutions", "solutions"]


def test_what_is_not_written_is_named(
    checkout: Checkout, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faketree.solve(checkout.root, "module1-executor", "include/rt/future/countdown.h")
    Builder(monkeypatch, 'echo "exercise 1.2 is not written yet" >&2; exit 42')
    status, _, err = run(capfd, "hello_future")
    assert (
        status == 1
        and "exercise 1.2 (waker), which is yours to write" in err
        and "--solutions" in err
    )
    shutil.rmtree(checkout.root / "solutions")
    _, _, err = run(capfd, "hello_future")
    assert "lesson 1.2" in err and "--solutions" not in err


@pytest.mark.parametrize(
    ("script", "says"),
    [("exit 7", "ended with exit code 7"), ("kill -SEGV $$", "ended by SIGSEGV")],
)
def test_a_bad_end_is_said(
    checkout: Checkout,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    says: str,
) -> None:
    Builder(monkeypatch, f"echo last words >&2; {script}")
    status, _, err = run(capfd, "hello_future", "--solutions")
    assert status == 1 and says in err and "last words" in err


def test_a_compile_error_is_shown(
    checkout: Checkout, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faketree.solve(checkout.root, "module1-executor", "include/rt/future/countdown.h")
    file = checkout.root / "module1-executor/include/rt/future/waker.h"
    Builder(monkeypatch, "", Diagnostic(str(file), 3, 1, "expected ';'", ("int a",)))
    status, _, err = run(capfd, "hello_future")
    assert (
        status == 1
        and "module1-executor/include/rt/future/waker.h:3: expected ';'" in err
        and "int a" in err
    )


def test_unknown_names_suggest_the_nearest(
    checkout: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capfd, "helo_future")
    assert status == 2 and "Did you mean hello_future?" in err
    assert "Did you mean hello_future?" in run(capfd, "hello")[2]


def test_a_name_that_several_modules_share_is_told_with_their_numbers(
    checkout: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    for module in ("module0-problem", "module1-executor"):
        (checkout.root / module / "demo").mkdir(exist_ok=True)
        (checkout.root / module / "demo/echo.cc").write_text("int main() {}\n", "utf-8")
    status, _, err = run(capfd, "echo")
    assert status == 2 and "Did you mean echo_0 or echo_1?" in err
