"""Child processes in sessions of their own, so that a whole family can be ended at once."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """A process, in /proc."""

    pid: int
    state: str  # R, S, D, T (stopped), Z (ended, and nobody has asked how), …
    parent: int
    session: int


def _stat_fields(pid: str) -> list[str]:
    """The fields of /proc/<pid>/stat after the command's name; empty if the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def everybody() -> list[Seen]:
    """Every process of this machine, in one pass."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat_fields(name)
            if len(fields) > 3:
                found.append(Seen(int(name), fields[0], int(fields[1]), int(fields[3])))
    return found


def family(all_there: Sequence[Seen], heads: Iterable[int]) -> list[Seen]:
    """Who lives of these processes, their sessions, and all that descend from them."""
    wanted = set(heads)
    grown = True
    while grown:
        more = {p.pid for p in all_there if p.parent in wanted or p.session in wanted}
        grown = not more <= wanted
        wanted |= more
    return [p for p in all_there if p.pid in wanted and p.state not in "ZX"]


def kill(members: Iterable[Seen]) -> None:
    for member in members:
        try:
            os.kill(member.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def kill_family(head: int) -> None:
    """Ends a process and all that came of it. More than once, since one may be forking while we look."""
    for _ in range(10):
        members = family(everybody(), [head])
        if not members:
            return
        kill(members)


def kill_group(group: int) -> None:
    """What a process left behind, at the price of one system call."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


# ---- a process and its parent -------------------------------------------------------------------

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None)


def dies_with_us(number: int = signal.SIGKILL) -> Callable[[], None]:
    """For Popen's preexec_fn: the child gets this signal when we end, even if we are killed."""
    parent = os.getpid()
    prctl = _libc.prctl  # looked up here: the child of a fork should do as little as it can

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it has ended already
            os.kill(os.getpid(), number)

    return in_child


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """Meanwhile a process whose parent ends becomes our child, where it would be init's: so that it can be found."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def children() -> set[int]:
    """Ours, those that have ended and were not waited for among them."""
    found: set[int] = set()
    try:
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
                found.update(map(int, file.read().split()))
    except OSError:  # a kernel without these lists
        found = {p.pid for p in everybody() if p.parent == os.getpid()}
    return found


def reap(pid: int) -> None:
    """Takes an adopted child that has ended off the system's list."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def has_in_environment(pid: int, entry: str) -> bool:
    """Whether it began with this NAME=VALUE, and so did whoever forked it."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return entry.encode() in file.read().split(b"\0")
    except OSError:
        return False


def end(process: subprocess.Popen[bytes], patience: float = 5.0) -> None:
    """Asks a session leader to stop as Ctrl-C would (ninja then removes half-written files),
    and ends its whole session when it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
    kill_family(process.pid)
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
