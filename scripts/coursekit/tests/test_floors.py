"""Includes go down."""

from __future__ import annotations

import pytest

from coursekit.selftest.floors import files_in, problems


@pytest.mark.parametrize(
    "header, includes, says",
    [
        ("rt/task/join.h", "rt/future/poll.h", ""),
        ("rt/task/join.h", "rt/task/task_cell.h", ""),
        ("rt/task/join.h", "absl/status/status.h", ""),
        ("rt/future/poll.h", "rt/task/join.h", "it includes rt/task/join.h"),
        ("rt/net/tcp.h", "rt/time/sleep.h", "it includes rt/time/sleep.h"),
        ("rt/task/join.h", "rt/attic/join.h", "no room 'attic'"),
        ("rt/task/join.h", "task_cell.h", "not of the form"),
        ("rt/task/join.h", "rt/poll.h", "not of the form"),
        ("rt/attic/join.h", "rt/future/poll.h", "none of the rooms"),
        ("rt/join.h", "rt/future/poll.h", "none of the rooms"),
        ("rt/rt.h", "rt/fs/file.h", ""),
        ("rt/rt.h", "rt/exercise/suspects.h", "an exercise's own"),
        ("rt/fs/file.h", "rt/rt.h", "stands above all rooms"),
    ],
)
def test_an_include_that_goes_up_is_named(header: str, includes: str, says: str) -> None:
    found = list(problems(header, f'#pragma once\n#include <new>\n#include "{includes}"\n'))
    assert len(found) == bool(says)
    assert all(says in problem for problem in found)


def test_files_are_counted_by_room() -> None:
    assert files_in({"rt/a/x.h": "", "rt/b/y.h": "", "rt/a/z.h": "", "rt/rt.h": ""}) == {
        "rt/a": 2,
        "rt/b": 1,
    }
