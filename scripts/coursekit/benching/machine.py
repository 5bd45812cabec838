"""On what it was measured, in one line."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

from coursekit.building import compilers, doctor
from coursekit.errors import CourseError
from coursekit.testing.pool import usable_cpus


def processor(cpuinfo: str) -> str:
    """Its name, from /proc/cpuinfo; of ARM there is none."""
    match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return " ".join(match[1].split()) if match else platform.machine()


def load() -> float:
    """How many threads wanted to run, on average, in the last minute."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


def describe(versions: Mapping[str, str], load_before: float) -> str:
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        cpuinfo = ""
    parts = [f"{usable_cpus()} × {processor(cpuinfo)}", f"Linux {platform.release()}"]
    try:
        compiler = compilers.find_for_speed()
        parts.append(f"{compiler.name} {doctor.version_of([str(compiler), '--version'])}")
    except CourseError:
        pass
    parts += [f"{peer} {version}" for peer, version in versions.items() if version]
    parts.append(f"load {load_before:.1f} before")
    return ", ".join(parts)


def is_busy(load_before: float) -> bool:
    """Whether others leave less than half of the machine."""
    return load_before > usable_cpus() / 2
