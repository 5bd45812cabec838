"""Runs a peer's program once, and reads the line that it says."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from coursekit.benching.rounds import Answer, Failure
from coursekit.benching.workloads import Pace, Workload
from coursekit.testing import processes, verdicts

_NOT_WRITTEN = re.compile(r"exercise (\d+\.\d+[a-z]?) is not written yet")


def command(
    binary: Path, load: Path, workload: Workload, workers: int, pace: Pace
) -> tuple[str, ...]:
    size = str(workload.size(pace))
    if not workload.connections:
        return (str(binary), workload.asks_for, size, str(workers))
    connections = 10 if pace == "tiny" else workload.connections
    server = (str(binary), workload.asks_for, "0", str(workers))
    return (str(load), workload.load, str(connections), size, "--", *server)


def read(status: int, out: str, err: str) -> Answer:
    """What a program that has ended with this says."""
    if status == verdicts.EXIT_TODO:
        found = _NOT_WRITTEN.findall(err)
        return Failure(f"exercise {found[-1]} is not written yet" if found else "it is not written")
    if status != 0:
        last = (err.strip().splitlines() or [""])[-1]
        how = f"ended by {verdicts.signal_name(-status)}" if status < 0 else f"ended with {status}"
        return Failure(f"it {how}{last and ': ' + last}")
    try:
        said = json.loads((out.strip().splitlines() or [""])[-1])
        values = {str(name): float(value) for name, value in said.items()}
    except (ValueError, TypeError, AttributeError):
        return Failure(f"it said {out.strip()[:60]!r}, which is no line of JSON")
    if not all(math.isfinite(value) for value in values.values()):
        return Failure("it measured something that is no number")
    return values


def run(line: Sequence[str], seconds: float) -> Answer:
    try:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Failure(f"it cannot be started: {error.strerror}")
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return Failure(f"it did not end within {seconds:.0f} s")
    finally:
        if process.poll() is None:
            processes.end(process)
    return read(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def has(binary: Path) -> frozenset[str]:
    """The workloads that the program knows; none if it cannot be asked."""
    try:
        answer = subprocess.run(
            [str(binary), "--list"], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(answer.stdout.split()) if answer.returncode == 0 else frozenset()
