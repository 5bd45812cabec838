"""How a dying test's own words are cut to what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from coursekit.testing import crashes
from coursekit.testing.crashes import Frame

ROOT = Path("/my course")
OWN = ("module1/include/rt/future/async.h",)


def told(output: str, own: tuple[str, ...] = OWN) -> list[str]:
    crash = crashes.read(output, ROOT)
    assert crash is not None
    return [text for _, text in crashes.story(crash, own)]


DOUBLE = """\
[ RUN      ] Async.Ends
=================================================================
==77==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55 bp 0x7f sp 0x7f
READ of size 4 at 0x602000000010 thread T0
    #0 0x5555 in rt::Async<int>::was_polled() const /my course/module1/include/rt/future/async.h:31
    #1 0x5556 in std::function<void ()>::operator()() const /usr/include/c++/12/functional:9
    #2 0x5557 in TestBody /my course/module1/tests/async_test.cc:12
    #3 0x5558 in main /my course/scripts/testkit/main.cc:99
0x602000000010 is located 0 bytes inside of 4-byte region [0x602000000010,0x602000000014)
freed by thread T0 here:
    #0 0x7fff in operator delete(void*) ../../asan_new_delete.cpp:152
    #1 0x5559 in coro /my course/module1/tests/async_test.cc:129
    #2 0x5559 in coro /my course/module1/tests/async_test.cc:126
    #3 0x5559 in helper(int) /my course/module1/tests/async_test.cc:10
    #4 0x5559 in int rt::detail::finish<int>(std::coroutine_handle<rt::detail::Promise<int> >) /my course/module1/include/rt/future/async.h:273
SUMMARY: AddressSanitizer: heap-use-after-free /my course/module1/include/rt/future/async.h:31 in x
==77==ABORTING

The steps so far:
  1. task polled: pending
  2. task polled:
     ready
"""


def test_the_learners_own_line_is_always_shown() -> None:
    assert told(DOUBLE) == [
        "Memory is used that was freed before. (AddressSanitizer: heap-use-after-free)",
        "READ of size 4",
        "module1/include/rt/future/async.h:31  in Async<…>::was_polled()",
        "module1/tests/async_test.cc:12  in the test",
        "freed here",
        "module1/tests/async_test.cc:129  in coro",
        "module1/tests/async_test.cc:10  in helper(…)",
        "module1/include/rt/future/async.h:273  in finish<…>(…)",
    ]
    crash = crashes.read(DOUBLE, ROOT)
    assert crash is not None
    assert crashes.headline(crash, OWN) == "heap-use-after-free at async.h:31"


def test_the_steps_come_after_the_report() -> None:
    assert crashes.steps(DOUBLE) == [
        "The steps so far:",
        "  1. task polled: pending",
        "  2. task polled:",
        "     ready",
    ]
    assert crashes.steps(DOUBLE, after=1) == [
        "The steps since then:",
        "  2. task polled:",
        "     ready",
    ]
    assert crashes.steps(DOUBLE, after=2) == []
    assert crashes.last_step(["The steps so far:\n  1. a\n  2. b\n\nExpected: 3"]) == 2


def test_many_steps_are_cut_to_the_last() -> None:
    text = "The steps so far:\n" + "".join(f"  {n}. a\n" for n in range(1, 61))
    steps = crashes.steps(text)
    assert steps[1] == "  … 36 earlier lines are left out …" and steps[-1] == "  60. a"


def overflow(middle: str) -> str:
    frames = [
        "operator new(unsigned long) ../../asan_new_delete.cpp:95",
        "chain /my course/module1/tests/async_test.cc:860",
    ]
    for _ in range(40):
        frames += [
            middle,
            "std::coroutine_handle<void>::resume() const /usr/include/c++/12/coroutine:244",
            "chain /my course/module1/tests/async_test.cc:859",
        ]
    lines = "".join(f"    #{n} 0x5 in {frame}\n" for n, frame in enumerate(frames))
    return (
        "==9==ERROR: AddressSanitizer: stack-overflow on address 0x7ffe (pc 0x7f bp 0x0 sp 0x7 T0)\n"
        f"{lines}SUMMARY: AddressSanitizer: stack-overflow ../../x.h:83 in y\n"
    )


def test_a_stack_that_is_full_names_the_calls_that_nest() -> None:
    middle = "rt::detail::Child<int>::await_suspend(int) /my course/module1/include/rt/future/async.h:340"
    lines = told(overflow(middle))
    assert lines[0].startswith(
        "The stack is full, because the calls nest: Child<…>::await_suspend(…) calls chain calls "
        "Child<…>::await_suspend(…), and so on."
    )
    assert lines[1:] == [
        "module1/include/rt/future/async.h:340  in Child<…>::await_suspend(…)",
        "module1/tests/async_test.cc:859  in chain",
    ]


def test_a_function_that_calls_itself() -> None:
    frames = [Frame("a.h", 3, "f(…)")] * 40
    assert crashes.cycle(frames) == [Frame("a.h", 3, "f(…)")]
    assert crashes.cycle([Frame("a.h", 3, "f"), Frame("a.h", 9, "g")]) == []


LEAK = """\
[       OK ] Async.Ends (0 ms)
==9==ERROR: LeakSanitizer: detected memory leaks

{direct}Indirect leak of 144 byte(s) in 2 object(s) allocated from:
    #0 0x7 in operator new(unsigned long) ../../asan_new_delete.cpp:95
    #1 0x5 in inner /my course/module1/tests/async_test.cc:9

SUMMARY: AddressSanitizer: 232 byte(s) leaked in 3 allocation(s).
"""
DIRECT = """\
Direct leak of 88 byte(s) in 1 object(s) allocated from:
    #0 0x7 in operator new(unsigned long) ../../asan_new_delete.cpp:95
    #1 0x5 in coro /my course/module1/tests/async_test.cc:129
    #2 0x5 in TestBody /my course/module1/tests/async_test.cc:135

"""


def test_a_leak_is_one_sentence_and_where_it_was_allocated() -> None:
    text = LEAK.format(direct=DIRECT)
    assert crashes.leak(text) == told(text)[0]
    assert "3 blocks of memory were still allocated (232 bytes)" in told(text)[0]
    assert told(text)[1:] == [
        "allocated here and never freed (88 bytes)",
        "module1/tests/async_test.cc:129  in coro",
        "module1/tests/async_test.cc:135  in the test",
        "1 more block could be reached only through these, and leaked with them.",
    ]
    assert crashes.leak(DOUBLE) == ""


def test_blocks_that_only_refer_to_each_other() -> None:
    assert told(LEAK.format(direct=""))[-1].startswith("They refer to each other in a circle")


def test_a_null_pointer_is_called_one() -> None:
    text = """\
==9==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000 (pc 0x55 bp 0x7f sp 0x7f T0)
==9==The signal is caused by a READ memory access.
==9==Hint: address points to the zero page.
    #0 0x5 in rt::Context::waker() const /my course/module1/include/rt/future/context.h:26
    #1 0x5 in await_ready /my course/module1/include/rt/future/async.h:153
    #2 0x5 in TestBody /my course/module1/tests/async_test.cc:186
SUMMARY: AddressSanitizer: SEGV /my course/module1/include/rt/future/context.h:26 in rt::Context::waker()
"""
    assert told(text) == [
        "A null pointer is used. (AddressSanitizer: SEGV)",
        "module1/include/rt/future/context.h:26  in Context::waker()",
        "module1/include/rt/future/async.h:153  in await_ready",
        "module1/tests/async_test.cc:186  in the test",
    ]


def test_thread_sanitizer() -> None:
    text = """\
WARNING: ThreadSanitizer: data race (pid=9)
  Write of size 4 at 0x55 by thread T1:
    #0 rt::set(int) /my course/a.h:3 (t+0x9)
  Previous read of size 4 at 0x55 by main thread:
    #0 rt::get() /my course/a.h:9 (t+0x9)
SUMMARY: ThreadSanitizer: data race /my course/a.h:3 in rt::set(int)
"""
    lines = told(text)
    assert lines[0].startswith("Two threads use the same memory") and "data race" in lines[0]
    assert lines[1:] == [
        "Write of size 4 by thread T1",
        "a.h:3  in set(…)",
        "Previous read of size 4 by main thread",
        "a.h:9  in get()",
    ]


def test_undefined_behaviour() -> None:
    text = """\
/my course/module1/include/rt/future/async.h:7:12: runtime error: signed integer overflow: 1 + 2
    #0 0x5 in rt::f(int) /my course/module1/include/rt/future/async.h:7
    #1 0x5 in TestBody /my course/module1/tests/async_test.cc:4
SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior x
"""
    assert told(text)[1:] == [
        "module1/include/rt/future/async.h:7  in f(…)",
        "module1/tests/async_test.cc:4  in the test",
    ]


KIT = """\
[ RUN      ] Async.Throws
/usr/include/c++/12/optional:484: Assertion 'this->_M_is_engaged()' failed.

The test Async.Throws was ended by std::terminate.
Nobody caught an exception of type std::runtime_error:
  door is jammed

The steps so far:
  1. door jams
  2. door polled: it throws

The thread was
  in Through::poll()
       module1/tests/async_test.cc:85
     rt::Async<…>::poll(…)
       module1/include/rt/future/async.h:170
"""


def test_the_kits_own_report_is_shown_whole() -> None:
    lines = crashes.kit_report(KIT)
    assert lines[:2] == [
        "/usr/include/c++/12/optional:484: Assertion 'this->_M_is_engaged()' failed.",
        "It was ended by std::terminate.",
    ]
    assert "  1. door jams" in lines and lines[-1] == "       module1/include/rt/future/async.h:170"
    assert "  1. door jams" not in crashes.kit_report(KIT, after=1)
    assert crashes.kit_place(KIT, OWN) == "module1/include/rt/future/async.h:170"
    assert crashes.terminated(KIT) == (
        "ended by std::terminate. Nobody caught an exception of type std::runtime_error: "
        "door is jammed"
    )
    timer = "rt::Timer: destroyed while it is in the wheel. Cancel it before."
    assert crashes.kit_report(f"{timer}\n{KIT}")[0] == timer
    assert crashes.kit_report(DOUBLE) == [] and crashes.terminated(DOUBLE) == ""


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("TestBody", "the test"),
        ("rt::Waker::operator=(rt::Waker&&)", "Waker::operator=(…)"),
        ("rt::Poll<rt::X> testkit::poll<rt::X>(rt::X&)", "testkit::poll<…>(…)"),
        ("(anonymous namespace)::chain(int) (.actor)", "chain(…)"),
        ("f()::D::~D()", "f()::D::~D()"),
        ("operator<<(std::ostream&, X const&)", "operator<<(…)"),
    ],
)
def test_functions_are_named_as_a_person_would(function: str, name: str) -> None:
    assert crashes.readable(function) == name
