"""Proves the visualizer: its own tests, the page in a browser, and that the page is what its sources make."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from coursekit.selftest.outcome import Bench, Outcome

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OLDEST_NODE = 18


def shown(bench: Bench) -> Iterator[Outcome]:
    folder = bench.root / "scripts" / "visualizer"
    if missing := missing_tools():
        yield Outcome("the visualizer", skipped=missing)
        return
    if not (folder / "node_modules" / ".package-lock.json").is_file():
        installed = _run(bench, folder, ["npm", "ci", "--no-audit", "--no-fund"])
        if installed.returncode != 0:
            yield Outcome("npm ci installs what the page is built with", _said(installed))
            return
    yield _passes(
        "visualizer.html is what its sources make",
        _run(bench, folder, ["node", "build.mjs", "--check"]),
    )
    yield _passes(
        "the sources are typed",
        _run(bench, folder, ["node", "node_modules/typescript/bin/tsc", "--noEmit"]),
    )
    found = (shutil.which(name) for name in _BROWSERS)
    browser = next((path for path in found if path is not None), None)
    if browser is None:
        yield Outcome("the page in a browser", skipped="no Chromium is installed")
    yield from _tests(bench, folder, browser)


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
    answer = _run(bench, folder, command, environment)
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


def _run(
    bench: Bench,
    folder: Path,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    bench.ui.progress(f"running {' '.join(map(os.path.basename, command[:2]))}", 0, 0)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
