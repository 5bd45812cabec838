"""Proves the visualizer: its own tests, the page in a browser, and that the page is what its sources make."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from coursekit.building import build
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.selftest.runs import REFERENCE

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OLDEST_NODE = 18
_TRUTH = "visualizer_truth"
_SEPARATOR = "---\n"


def shown(bench: Bench) -> Iterator[Outcome]:
    folder = bench.root / "scripts" / "visualizer"
    yield from _agreed(bench, folder / "truth" / "scenarios")
    if missing := missing_tools():
        yield Outcome("the visualizer", skipped=missing)
        return
    if not (folder / "node_modules" / ".package-lock.json").is_file():
        installed = bench.run(["npm", "ci", "--no-audit", "--no-fund"], folder)
        if installed.returncode != 0:
            yield Outcome("npm ci installs what the page is built with", _said(installed))
            return
    yield _passes(
        "visualizer.html is what its sources make",
        bench.run(["node", "build.mjs", "--check"], folder),
    )
    yield _passes(
        "the sources are typed",
        bench.run(["node", "node_modules/typescript/bin/tsc", "--noEmit"], folder),
    )
    found = (shutil.which(name) for name in _BROWSERS)
    browser = next((path for path in found if path is not None), None)
    if browser is None:
        yield Outcome("the page in a browser", skipped="no Chromium is installed")
    yield from _tests(bench, folder, browser)


def _agreed(bench: Bench, folder: Path) -> Iterator[Outcome]:
    """The reference does what the scenarios' files say; the page's own tests hold the page to them."""
    built = bench.build(REFERENCE, [_TRUTH])
    if built.broken:
        yield Outcome("truth.cc compiles", next(iter(built.broken.values())).message)
        return
    program = build.binary(bench.checkout, REFERENCE, _TRUTH)
    for file in sorted(folder.glob("*.txt")):
        scenario, _, expected = file.read_text("utf-8").partition(_SEPARATOR)
        answer = subprocess.run(
            [program], input=scenario, capture_output=True, text=True, check=False, timeout=60
        )
        differs = answer.returncode != 0 or answer.stdout != expected
        yield Outcome(
            f"the reference does what {file.name} says",
            _difference(expected, answer.stdout) + answer.stderr if differs else "",
        )


def _difference(expected: str, said: str) -> str:
    """The first line that differs. When the reference has changed on purpose, its lines are the new file."""
    for number, (old, new) in enumerate(
        itertools.zip_longest(expected.splitlines(), said.splitlines()), 1
    ):
        if old != new:
            return f"event {number} was {old!r}, and the reference says {new!r} now"
    return "it failed"


def missing_tools() -> str:
    """What keeps this machine from building the page; nothing if it can."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    version = answer.stdout.strip().lstrip("v")
    major = version.split(".")[0]
    if not major.isdigit() or int(major) < _OLDEST_NODE:
        return (
            f"Node {_OLDEST_NODE} or later is needed, and this is {version or 'none that answers'}"
        )
    return ""


def _tests(bench: Bench, folder: Path, browser: str | None) -> Iterator[Outcome]:
    environment = {**os.environ, "CHROMIUM": browser or ""}
    command = ["node", "node_modules/vitest/vitest.mjs", "run", "--reporter=json"]
    answer = bench.run(command, folder, environment)
    start = answer.stdout.find("{")
    try:
        report = json.loads(answer.stdout[start:]) if start >= 0 else {}
    except ValueError:
        report = {}
    tests = [
        test for file in report.get("testResults", []) for test in file.get("assertionResults", [])
    ]
    for test in tests:
        if test["status"] == "failed":
            yield Outcome(test["fullName"], "\n".join(test.get("failureMessages", [])))
        elif test["status"] == "passed":
            yield Outcome(test["fullName"])
    if not tests or (answer.returncode != 0 and all(test["status"] != "failed" for test in tests)):
        yield Outcome("the visualizer's tests run", _said(answer) or "they said nothing")


def _passes(name: str, answer: subprocess.CompletedProcess[str]) -> Outcome:
    return Outcome(name, (_said(answer) or "it failed") if answer.returncode else "")


def _said(answer: subprocess.CompletedProcess[str]) -> str:
    return (answer.stdout + answer.stderr).strip()
