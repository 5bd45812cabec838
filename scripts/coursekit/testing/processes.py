"""Child processes in sessions of their own, so that a whole family can be ended at once."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable


def _stat_fields(pid: str) -> list[str]:
    """The fields of /proc/<pid>/stat after the command's name; empty if the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def sessions() -> dict[int, list[int]]:
    """The living processes of every session on this machine, found in one pass."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat_fields(name)
            if len(fields) > 3 and fields[0] not in "ZX":
                found.setdefault(int(fields[3]), []).append(int(name))
    return found


def kill_session(session: int) -> None:
    """Ends every process of a session. Twice, since one may be forking while we look."""
    for _ in range(2):
        for pid in sessions().get(session, []):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def kill_group(group: int) -> None:
    """What a process left behind, at the price of one system call."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def end(process: subprocess.Popen[bytes], patience: float = 5.0) -> None:
    """Asks a session leader to stop as Ctrl-C would (ninja then removes half-written files),
    and ends its whole session when it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
    kill_session(process.pid)
    process.wait()


def cpu_activity(members: Iterable[int]) -> tuple[float, int]:
    """(CPU seconds, nanoseconds in which any of their threads ran or waited for a CPU).

    The second one counts time spent waiting for a processor as well, so that a process that is
    starved on a loaded machine is never taken for one that sleeps.
    """
    ticks = 0
    activity = 0
    for pid in members:
        fields = _stat_fields(str(pid))
        if len(fields) > 12:
            ticks += int(fields[11]) + int(fields[12])
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    ran, waited, _ = file.read().split()
                    activity += int(ran) + int(waited)
        except (OSError, ValueError):
            activity += ticks * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))
    return ticks / os.sysconf("SC_CLK_TCK"), activity
