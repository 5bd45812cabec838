"""The runner, with small scripts that speak the protocol of scripts/testkit/main.cc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from coursekit.testing import processes, runner
from coursekit.testing.pool import Limits
from coursekit.testing.runner import Binary, Group, parse_test_list
from coursekit.testing.verdicts import Ended, TestResult, judge, parse_events

# A test binary: cases are Python functions named after the tests; `end(ok)` reports and exits.
_FRAME = """
#!{python} -I
import json, os, sys
fd = int(os.environ.get("RT_RESULT_FD", "-1"))
def event(**fields):
    os.write(fd, (json.dumps(fields) + "\\n").encode())
def end(ok):
    event(event="end", test=name, ok=ok)
    sys.exit(0 if ok else 1)
{body}
cases = {{key: value for key, value in globals().items() if key.startswith("T_")}}
if "--gtest_list_tests" in sys.argv:
    print("Suite.")
    for key in cases:
        print("  " + key[2:])
    sys.exit(0)
names = next(a for a in sys.argv if a.startswith("--gtest_filter=")).partition("=")[2].split(":")
for name in names:
    event(event="start", test=name)
    try:
        cases["T_" + name.partition(".")[2]]()
    except SystemExit as exit:
        if exit.code != 0 or len(names) == 1:
            raise
"""


def binary(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    text = _FRAME.format(python=sys.executable, body=textwrap.dedent(body)).lstrip()
    path.write_text(text)
    path.chmod(0o755)
    return path


def run(folder: Path, body: str, limits: Limits = Limits()) -> dict[str, TestResult]:
    group = Group("1.1", ((Binary(binary(folder, "one_test", body), "unit"),),))
    return {result.name: result for result in runner.run_groups([group], limits=limits)["1.1"]}


_HANGS = """
def T_Hangs():
    event(event="hang", test=name, report="thread 1 waits in park()")
    os._exit(43)
"""


def test_each_ending_is_told_from_the_others(tmp_path: Path) -> None:
    results = run(
        tmp_path,
        """
        def T_Passes(): end(True)
        def T_Fails():
            event(event="failure", test=name, file="/x/t.cc", line=7, message="expected 1\\nsteps:\\n 1. poll")
            end(False)
        def T_Unwritten():
            sys.stderr.write("exercise 1.6 is not written yet\\n"); sys.stderr.flush(); os._exit(42)
        def T_Dies(): os.kill(os.getpid(), 11)
        def T_Sanitized():
            sys.stderr.write("SUMMARY: AddressSanitizer: heap-use-after-free a.h:3 in f\\n"); sys.stderr.flush(); os._exit(44)
        def T_Leaks():
            event(event="end", test=name, ok=True)
            sys.stderr.write("==1==ERROR: LeakSanitizer: detected memory leaks\\nDirect leak of 8 byte(s) in 1 object(s) allocated from:\\nSUMMARY: x\\n"); sys.stderr.flush(); os._exit(44)
        def T_LeakCheckFails():
            event(event="end", test=name, ok=True)
            sys.stderr.write("==1==LeakSanitizer has encountered a fatal error.\\n"); sys.stderr.flush(); os._exit(44)
        def T_Terminates():
            sys.stderr.write("The test S.T was ended by std::terminate.\\nNobody caught an exception of type X:\\n  no\\n"); sys.stderr.flush(); os.abort()
        def T_ExitsEarly(): os._exit(0)
        def T_ExitsStrangely(): os._exit(9)
        """,
    )
    results |= run(tmp_path, _HANGS)
    assert {name.partition(".")[2]: result.state for name, result in results.items()} == {
        "Passes": "pass",
        "Fails": "fail",
        "Unwritten": "todo",
        "Hangs": "hang",
        "Dies": "crash",
        "Sanitized": "crash",
        "Leaks": "fail",
        "LeakCheckFails": "crash",
        "Terminates": "crash",
        "ExitsEarly": "fail",
        "ExitsStrangely": "crash",
    }
    assert results["Suite.Fails"].failures[0].line == 7
    assert results["Suite.Unwritten"].todo == "1.6"
    assert results["Suite.Hangs"].message == "thread 1 waits in park()"
    assert "SIGSEGV" in results["Suite.Dies"].message
    assert "heap-use-after-free" in results["Suite.Sanitized"].message
    assert results["Suite.Leaks"].message.startswith("Memory leaked: ")
    assert "failed, and not the test" in results["Suite.LeakCheckFails"].message
    assert "Nobody caught an exception of type X: no" in results["Suite.Terminates"].message


def count_processes(folder: Path, body: str) -> tuple[dict[str, TestResult], int]:
    """Beside the verdicts: how many processes have run a test."""
    ran = folder / "ran"
    ran.write_text("")
    note = f"open({str(ran)!r}, 'a').write('x')\n" if body else ""
    verdicts = run(
        folder, "if '--gtest_list_tests' not in sys.argv: " + note + textwrap.dedent(body)
    )
    return verdicts, len(ran.read_text())


def test_unit_tests_that_all_pass_share_a_process(tmp_path: Path) -> None:
    body = "\n".join(f"def T_N{i}(): end(True)" for i in range(10))
    results, processes_that_ran = count_processes(tmp_path, body)
    assert [result.state for result in results.values()] == ["pass"] * 10
    assert processes_that_ran == 1


def test_where_one_of_them_fails_each_is_asked_alone(tmp_path: Path) -> None:
    body = """
    def T_A(): end(True)
    def T_B(): end(False)
    def T_C(): end(True)
    """
    results, processes_that_ran = count_processes(tmp_path, body)
    assert [result.state for result in results.values()] == ["pass", "crash", "pass"]
    assert processes_that_ran == 4


def test_what_one_leaves_behind_fails_no_other(tmp_path: Path) -> None:
    body = """
    left = []
    def T_A(): left.append(1); end(True)
    def T_B(): end(not left)
    """
    assert {result.state for result in run(tmp_path, body).values()} == {"pass"}


def test_one_that_ends_the_process_ends_no_other(tmp_path: Path) -> None:
    body = """
    def T_A(): event(event="end", test=name, ok=True); os._exit(0)
    def T_B(): end(False)
    """
    states = [result.state for result in run(tmp_path, body).values()]
    assert states == ["pass", "crash"]


def test_one_that_hangs_keeps_the_others_waiting_for_seconds_only(tmp_path: Path) -> None:
    body = """
    def T_A(): end(True)
    def T_B():
        if len(names) > 1:
            import time
            time.sleep(1000)
        end(True)
    """
    results = run(tmp_path, body)
    assert {result.state for result in results.values()} == {"pass"}


def test_later_kinds_wait_for_the_unit_tests(tmp_path: Path) -> None:
    bad = binary(tmp_path, "a_test", "def T_No(): end(False)")
    good = binary(tmp_path, "b_test", "def T_Yes(): end(True)")
    stress = binary(tmp_path, "c_test", "def T_Load(): end(True)")
    groups = [
        Group("1.1", ((Binary(bad, "unit"),), (Binary(stress, "stress"),))),
        Group("1.2", ((Binary(good, "unit"),), (Binary(stress, "stress"),))),
    ]
    results = runner.run_groups(groups)
    assert [result.kind for result in results["1.1"]] == ["unit"]
    assert [result.kind for result in results["1.2"]] == ["unit", "stress"]


def test_only_some_tests_of_a_binary(tmp_path: Path) -> None:
    two = binary(tmp_path, "a_test", "def T_A(): end(True)\ndef T_B(): end(True)")
    one = binary(tmp_path, "b_test", "def T_C(): end(True)")
    stages = ((Binary(two, "unit"), Binary(one, "stress")),)
    done = runner.run_groups([Group("1.1", stages, frozenset({"Suite.B"}))])
    assert [result.name for result in done["1.1"]] == ["Suite.B"]


def test_a_binary_that_dies_before_any_test(tmp_path: Path) -> None:
    path = tmp_path / "dead_test"
    path.write_text("#!/bin/sh\necho in a constructor >&2\nkill -SEGV $$\n")
    path.chmod(0o755)
    (result,) = runner.run_groups([Group("1.1", ((Binary(path, "unit"),),))])["1.1"]
    assert result.state == "crash"
    assert "before any test" in result.message and "SIGSEGV" in result.message


def test_of_much_output_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    body = "def T_Floods():\n    print('first', 'x' * 3_000_000, 'last')\n    end(True)"
    result = run(tmp_path, body)["Suite.Floods"]
    assert result.state == "pass"
    assert len(result.output) < 600_000
    assert result.output.startswith("first") and result.output.rstrip().endswith("last")


def test_output_without_end_is_ended_and_its_last_line_told(tmp_path: Path) -> None:
    body = "def T_Prints():\n    while True: print('call again', flush=True)"
    result = run(tmp_path, body)["Suite.Prints"]
    assert result.state == "hang"
    assert "printed more than 8 MiB" in result.message
    assert result.message.endswith("The last line: call again")


def test_a_test_that_is_stopped_is_told_at_once(tmp_path: Path) -> None:
    body = "def T_Stops():\n    import signal\n    os.kill(os.getpid(), signal.SIGSTOP)"
    result = run(tmp_path, body)["Suite.Stops"]
    assert result.state == "hang"
    assert "SIGSTOP" in result.message and result.seconds < 8


def test_many_failures_fill_no_pipe(tmp_path: Path) -> None:
    body = """
    def T_Many():
        for i in range(5000):
            event(event="failure", test=name, file="t.cc", line=i, message="m" * 100)
        end(False)
    """
    assert len(run(tmp_path, body)["Suite.Many"].failures) == 5000


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_a_child_left_behind_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    body = f"""
    def T_Leaves():
        child = os.fork()
        if child == 0:
            open("{tmp_path}/child", "w").write(str(os.getpid()))
            import time
            time.sleep(1000)
        while not os.path.exists("{tmp_path}/child") or not open("{tmp_path}/child").read():
            pass
        end(True)
    """
    assert run(tmp_path, body)["Suite.Leaves"].state == "pass"
    child = int((tmp_path / "child").read_text())
    assert gone(child)


@pytest.mark.parametrize("environment", ["os.environ", "{}"])
def test_a_child_in_a_session_of_its_own_is_ended_too(tmp_path: Path, environment: str) -> None:
    """It has forked twice and called setsid(): no group, no session, and no parent lead to it."""
    body = f"""
    def T_Leaves():
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                command = "echo $$ >{tmp_path}/child.new; mv {tmp_path}/child.new {tmp_path}/child; exec sleep 1000"
                os.execve("/bin/sh", ["sh", "-c", command], {environment})
            os._exit(0)
        while not os.path.exists("{tmp_path}/child"):
            pass
        end(True)
    """
    assert run(tmp_path, body)["Suite.Leaves"].state == "pass"
    assert gone(int((tmp_path / "child").read_text()))


def test_no_other_child_of_ours_is_taken_for_an_orphan(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "1000"])
    try:
        assert run(tmp_path, "def T_Passes(): end(True)")["Suite.Passes"].state == "pass"
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_the_backstop_ends_what_sleeps_for_ever(tmp_path: Path) -> None:
    limits = Limits(idle_seconds=0.3, tick_seconds=0.05)
    result = run(tmp_path, "def T_Sleeps():\n    import time\n    time.sleep(1000)", limits)[
        "Suite.Sleeps"
    ]
    assert result.state == "hang"
    assert "nothing in it ran" in result.message


def test_the_backstop_ends_what_spins_for_ever(tmp_path: Path) -> None:
    limits = Limits(cpu_factor=0.02, tick_seconds=0.05)
    result = run(tmp_path, "def T_Spins():\n    while True: pass", limits)["Suite.Spins"]
    assert result.state == "hang"
    assert "CPU time" in result.message


def test_tests_that_hang_wait_side_by_side(tmp_path: Path) -> None:
    """Twelve tests of which each sleeps until all have begun: with two at a time none would end."""
    body = f"""
    def wait():
        import time
        open("{tmp_path}/" + name, "w").close()
        while sum(n.startswith("Suite.") for n in os.listdir("{tmp_path}")) < 12:
            time.sleep(0.05)
        end(True)
    """ + "".join(
        f"\n    def T_Sleeps{i}(): wait()" for i in range(12)
    )
    group = Group("1.1", ((Binary(binary(tmp_path, "one_test", body), "unit"),),))
    results = runner.run_groups([group], width=2, limits=Limits(tick_seconds=0.05))["1.1"]
    assert [result.state for result in results] == ["pass"] * 12


def test_after_a_hang_the_other_tests_of_the_exercise_are_left_out(tmp_path: Path) -> None:
    body = _HANGS + "def T_Passes(): end(True)\n"
    group = Group("1.1", ((Binary(binary(tmp_path, "one_test", body), "unit"),),))
    other = Group(
        "1.2", ((Binary(binary(tmp_path, "other_test", "def T_Runs(): end(True)"), "unit"),),)
    )
    results = runner.run_groups([group, other], width=1)
    assert [(r.name, r.state) for r in results["1.1"]] == [("Suite.Hangs", "hang")]
    assert [(r.name, r.state) for r in results["1.2"]] == [("Suite.Runs", "pass")]


def test_a_hang_ends_the_later_tests_and_lets_the_earlier_ones_finish(tmp_path: Path) -> None:
    """All three run when the second hangs: the third would never end."""
    body = f"""
    def wait_for(*names):
        while not all(os.path.exists("{tmp_path}/" + n) for n in names):
            pass
    def T_Earlier():
        open("{tmp_path}/earlier", "w").close()
        wait_for("hung")
        end(True)
    def T_Hangs():
        wait_for("earlier", "later")
        event(event="hang", test=name, report="it waits")
        open("{tmp_path}/hung", "w").close()
        os._exit(43)
    def T_Later():
        open("{tmp_path}/later", "w").close()
        wait_for("never")
    """
    group = Group("1.1", ((Binary(binary(tmp_path, "one_test", body), "unit"),),))
    results = runner.run_groups([group], width=3)["1.1"]
    assert [(r.name, r.state) for r in results] == [
        ("Suite.Earlier", "pass"),
        ("Suite.Hangs", "hang"),
    ]


def test_the_longest_test_starts_first(tmp_path: Path) -> None:
    body = f"""
    def note():
        open("{tmp_path}/order", "a").write(name + " ")
        end(True)
    def T_Short(): note()
    def T_Long(): note()
    """
    durations = {"one_test Suite.Long": 3.0, "one_test Suite.Short": 0.1}
    group = Group("1.1", ((Binary(binary(tmp_path, "one_test", body), "stress"),),))
    results = runner.run_groups([group], width=1, durations=durations)["1.1"]
    assert (tmp_path / "order").read_text().split() == ["Suite.Long", "Suite.Short"]
    assert [result.name for result in results] == ["Suite.Short", "Suite.Long"]
    assert durations["one_test Suite.Long"] < 3.0


def test_the_learners_environment_changes_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GTEST_FILTER", "-*")
    monkeypatch.setenv("ASAN_OPTIONS", "exitcode=0")
    monkeypatch.setenv("LD_PRELOAD", "/nowhere.so")
    body = """
    def T_Clean(): end(not any(k in os.environ for k in ("GTEST_FILTER", "ASAN_OPTIONS", "LD_PRELOAD")))
    """
    assert run(tmp_path, body)["Suite.Clean"].state == "pass"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_end_of_the_check_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    path = binary(tmp_path, "x_test", "def T_Waits():\n    import time\n    time.sleep(1000)")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from coursekit.testing.runner import *\n"
        "run_groups([Group('1', ((Binary(Path(sys.argv[2]), 'unit'),),))])\n"
    )
    scripts = Path(__file__).resolve().parents[2]
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", program, str(scripts), str(path)],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )

    def tests_running() -> list[int]:
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    command = Path(f"/proc/{name}/cmdline").read_bytes()
                except OSError:
                    continue
                if os.fsencode(path) in command and b"--gtest_filter" in command:
                    found.append(int(name))
        return found

    deadline = time.monotonic() + 30
    while not tests_running() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tests_running()
    child.send_signal(number)
    child.communicate(timeout=60)
    while tests_running() and time.monotonic() < deadline:
        time.sleep(0.01)  # a signal to the test is on its way
    assert tests_running() == []


def test_a_pass_needs_the_tests_own_word() -> None:
    def verdict(status: int, events: bytes) -> str:
        return judge("S.A", "unit", Ended(status, parse_events(events), "", 0.0)).state

    assert verdict(0, b'{"event":"end","test":"S.A","ok":true}\n') == "pass"
    assert verdict(0, b'{"event":"end","test":"S.B","ok":true}\n') == "fail"
    assert verdict(0, b'{"event":"end","test":"S.A","ok":"yes"}\n') == "fail"
    assert verdict(1, b'{"event":"end","test":"S.A","ok":true}\n') == "crash"
    assert verdict(44, b'{"event":"end","test":"S.A","ok":true}\n') == "crash"
    assert verdict(0, b'not json\n[]\n{"event":"end"') == "fail"


def test_each_run_in_one_process_has_to_end_well() -> None:
    end = b'{"event":"end","test":"S.A","ok":true}\n'
    for ends, state in ((2, "fail"), (3, "pass")):
        ended = Ended(0, parse_events(end * ends), "", 0.0)
        assert judge("S.A", "unit", ended, repeats=3).state == state


def test_names_of_tests() -> None:
    text = "Running main\nSuite.\n  One\n  DISABLED_Two\nTyped/0.  # TypeParam = int\n  Three\nP/Suite.\n  Four/0  # GetParam() = 1\n"
    assert parse_test_list(text) == ["Suite.One", "Typed/0.Three", "P/Suite.Four/0"]


def test_a_thread_that_waits_for_a_cpu_is_not_asleep() -> None:
    done = threading.Event()
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    try:
        _, first = processes.cpu_activity([child.pid])
        deadline = time.monotonic() + 20
        while processes.cpu_activity([child.pid])[1] == first and time.monotonic() < deadline:
            done.wait(0.01)
        assert processes.cpu_activity([child.pid])[1] != first
    finally:
        processes.kill_family(child.pid)
        child.wait()
