"""Lessons and hints: what is read from a README, what is refused, and what a learner is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from coursekit import cli
from coursekit.course import catalog as catalogs
from coursekit.course import lessons, paths, progress
from coursekit.telling import markdown
from coursekit.tests import faketree

MODULE = "module1-executor"
NAME = f"{MODULE}/README.md"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    faketree.make(tmp_path / "the course")
    faketree.use(tmp_path / "the course", monkeypatch)
    return tmp_path / "the course"


def problems_after(root: Path, old: str, new: str) -> list[str]:
    """What is wrong in module 1's lesson once `old` has become `new`."""
    path = root / NAME
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return [str(p) for p in lessons.validate(root)]


# ---- reading ------------------------------------------------------------------------------------


def test_a_good_lesson_has_nothing_wrong(root: Path) -> None:
    assert lessons.validate(root) == []


def test_sections_hints_and_snippets_are_found_with_their_lines() -> None:
    text = faketree.lesson_text(MODULE)
    lesson = lessons.parse(text, NAME)
    assert [s.id for s in lesson.sections] == ["1.1", "1.2"]
    section = lesson.sections[1]
    assert [h.summary for h in section.hints] == ["Hint 1", "Hint 2", "Hint 3"]
    assert section.hints[0].text == "First hint of waker: is it *ready*?"
    assert "### Exercise 9.9" in section.hints[1].text  # inside a fence it is no heading
    assert "hint of" not in section.text and "**Run**" in section.text
    assert [(s.info, s.body, s.fails) for s in lesson.snippets[:2]] == [
        ("cpp body", True, False),
        ("cpp", False, False),
    ]
    first = lesson.snippets[0]
    assert first.code == "int countdown = 1;\n"
    assert text.split("\n")[first.line - 1] == "int countdown = 1;"


def test_snippets_in_lists_lose_their_indent() -> None:
    lesson = lessons.parse("- so:\n  ```cpp fails\n  int a;\n    int b;\n  ```\n", "f")
    assert lesson.snippets == (lessons.Snippet("f", 3, "cpp fails", "int a;\n  int b;\n"),)


def test_length_counts_only_what_is_read_from_end_to_end() -> None:
    section = faketree.SECTION.format(id="1.1", slug="s", title="T", file="f")
    assert lessons.parse(f"one two\n\n```cpp\nint a;\n```\n\n{section}## X\nfour\n", "f").words == 5


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "<details><summary>Hint 3</summary>",
            "<details><summary>Answer</summary>",
            "and has: 1, 2",
        ),
        ("<summary>Hint 2</summary>", "<summary>Hint 4</summary>", "and has: 1, 4, 3"),
        ("First hint of countdown: is it *ready*?", "", "Hint 1 is empty"),
        (
            "### Exercise 1.2: A waker",
            "### Exercise 1.7: A waker",
            "exercise 1.7 is not in module1-executor",
        ),
        (
            "### Exercise 1.2: A waker",
            "### Exercise 1.7: A waker",
            'no section "### Exercise 1.2: A waker"',
        ),
        (
            "### Exercise 1.2: A waker",
            "## Exercise 1.2: A waker",
            "an exercise's heading is written",
        ),
        (
            "### Exercise 1.2: A waker",
            "### Exercise 1.2: The waker",
            "its title here is 'The waker'",
        ),
        (
            "### Exercise 1.2: A waker",
            "### Exercise 1.1: A countdown",
            "a second section for exercise 1.1",
        ),
        ("**What must hold**", "What must hold", "**What must hold** is missing"),
        ("**You need** nothing", "You need nothing", "**You need** is missing"),
        (
            "`include/rt/future/waker.h`",
            "`include/rt/room/wake.h`",
            "it does not name include/rt/future/waker.h",
        ),
        (
            "`scripts/course check 1.2`",
            "`course check 1.2`",
            "it does not say `scripts/course check 1.2`",
        ),
        ("```cpp body", "```c++ body", "a block of C++ says"),
        ("```cpp body", "```cpp main", "a block of C++ says"),
        ("Second hint of waker.\n\n```cpp", "Second hint of waker.\n\n````cpp", "never closed"),
        (
            "Third hint of waker.\n\n</details>",
            "Third hint of waker.",
            "<details> begins inside the one of line",
        ),
        ("</summary>\n\nFirst hint", "</summary>\nFirst hint", "an empty line has to follow"),
        (
            "<details><summary>Hint 1</summary>",
            "<details>\n<summary>Hint 1</summary>",
            "alone and on one line",
        ),
        ("## Pitfalls", "## Traps", "no `## …` heading for pitfalls"),
        ("## Pitfalls\n", "## What this still can't do\n\n## Pitfalls\n", ""),
        ("NOTES.md", "NOTE.md", "leads nowhere"),
        ("(#experiment)", "(#experiments)", "no heading is called #experiments"),
    ],
)
def test_what_is_wrong_is_named(root: Path, old: str, new: str, says: str) -> None:
    found = problems_after(root, old, new)
    assert any(says in p for p in found) if says else found == []
    assert all(p.startswith(NAME) for p in found)


def need(root: Path, said: str) -> list[str]:
    """What is wrong once module 1's first exercise needs `said`, with a header of each module at hand."""
    for module, name in (("module0-problem", "clock"), (MODULE, "poll"), ("module2-late", "late")):
        header = root / module / f"include/rt/platform/{name}.h"
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text(f"namespace rt::{name} {{ void now(); }}  // or later\n", "utf-8")
    return problems_after(root, "nothing from other headers", said)


@pytest.mark.parametrize(
    "said",
    [
        "`now` from `rt/platform/poll.h`",
        "`clock::now` from\n`rt/platform/clock.h`; `poll`, `now` from `rt/platform/poll.h`",
        "nothing from other headers",
    ],
)
def test_what_an_exercise_needs_is_found_in_headers_up_to_its_module(root: Path, said: str) -> None:
    assert need(root, said) == []


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("nothing", "names no header"),
        ("`now`", "does not say which header has `now`"),
        ("`rt/platform/poll.h`", "says nothing of what `rt/platform/poll.h` is needed for"),
        ("`later` from `rt/platform/poll.h`", "`later` is not in `rt/platform/poll.h`"),
        ("`clock::now` from `rt/platform/poll.h`", "`clock::now` is not in `rt/platform/poll.h`"),
        ("`now` from `rt/platform/late.h`", "`rt/platform/late.h` is in no module up to module1"),
        ("`x` from `rt/future/countdown.h`", "`rt/future/countdown.h`, which the learner writes"),
    ],
)
def test_what_an_exercise_does_not_need_is_named(root: Path, said: str, says: str) -> None:
    [found] = need(root, said)
    assert found.startswith(NAME) and "exercise 1.1: " in found and says in found


def test_lesson_shows_what_an_exercise_needs(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert need(root, "`now` from `rt/platform/poll.h`") == []
    status, out, _ = run(capsys, "lesson", "1.1")
    assert status == 0 and "You need" in out and "now from rt/platform/poll.h" in out


def test_exercises_out_of_order_are_named(root: Path) -> None:
    one, two = (
        faketree.SECTION.format(id=i, slug=s, title=t, file=f)
        for i, s, t, f, _ in faketree.EXERCISES[MODULE]
    )
    assert any("order of exercises.toml" in p for p in problems_after(root, one + two, two + one))


def test_a_missing_and_an_unreadable_lesson_are_named(root: Path) -> None:
    (root / NAME).unlink()
    (root / "module0-problem/README.md").write_bytes(b"\xff\xfe")
    said = " ".join(map(str, lessons.validate(root)))
    assert "module0-problem/README.md: is not UTF-8 text" in said and f"{NAME}: is missing" in said


def test_links_that_lead_nowhere_become_their_text() -> None:
    text = "see [a `b`](x.md), [c](y.md) and `[d](x.md)`\n```\n[e](x.md)\n```"
    assert (
        lessons.unlink(text, lambda t: t != "x.md")
        == "see a `b`, [c](y.md) and `[d](x.md)`\n```\n[e](x.md)\n```"
    )


# ---- lesson -------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(list(arguments))
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_newcomer_gets_the_lesson_and_the_first_exercise(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "lesson")
    assert status == 0
    assert "Lesson of module0-problem" in out and "Exercise 0.1: An echo server" in out
    assert "First hint" not in out and "Pitfalls" not in out and "scripts/course hint 0.1" in out


def test_an_exercise_is_its_section_without_hints(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "lesson", "waker")
    assert (
        status == 0
        and "Exercise 1.2: A waker" in out
        and "Exercise 1.1" not in out
        and "hint of" not in out
    )


def test_without_an_id_it_follows_the_learner(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout = paths.find_checkout()
    for module, file, number in (
        ("module0-problem", "src/blocking_echo.cc", "0.1"),
        (MODULE, "include/rt/future/countdown.h", "1.1"),
    ):
        faketree.solve(root, module, file)
        progress.record_states(checkout, {number: "pass"})
    _, out, _ = run(capsys, "lesson")
    assert (
        out.startswith("\nExercise 1.2: A waker") or "Exercise 1.2: A waker" in out.splitlines()[:2]
    )
    faketree.solve(root, MODULE, "include/rt/future/waker.h")
    progress.record_states(checkout, {"1.2": "pass"})
    _, out, _ = run(capsys, "lesson")
    assert "Every exercise is done" in out and "scripts/course lesson module1" in out


def test_a_module_is_shown_whole_with_answers_folded(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(capsys, "lesson", "module1")
    assert "Exercise 1.2" in out and "Pitfalls" in out and "hint of" not in out
    assert "Who polls again?" in out and "Whoever was woken" not in out
    _, out, _ = run(capsys, "lesson", "1", "--answers")
    assert "Whoever was woken" in out


def test_it_is_plain_and_fits_80_columns_off_a_terminal(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(capsys, "lesson", "module1")
    assert "\x1b" not in out and max(map(len, out.splitlines())) <= 80
    assert not any(line != line.rstrip() for line in out.splitlines())


@pytest.mark.parametrize("asked", ["1.3", "wakr", "module9"])
def test_unknown_ids_suggest_the_nearest(
    root: Path, capsys: pytest.CaptureFixture[str], asked: str
) -> None:
    status, out, err = run(capsys, "lesson", asked)
    assert status == 2 and out == "" and "Did you mean" in err


def test_a_damaged_lesson_is_said_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / NAME).write_bytes(b"\xff")
    status, _, err = run(capsys, "lesson", "1.1")
    assert status == 3 and "is not UTF-8" in err and "Traceback" not in err


def test_colours_only_when_wanted() -> None:
    assert "\x1b[" in markdown.render("**a**", 80, colour=True)
    assert "\x1b" not in markdown.render(
        "# a\n**a** `b` [c](d)\n```cpp\nint a;\n```\n", 80, colour=False
    )


def test_code_is_shown_as_it_is_and_tables_as_tables() -> None:
    code = "x " * 60 + "end"
    said = markdown.render(
        f"```\n{code}\n\n  y\n```\n\n| a | b |\n|---|--:|\n| `x` | **22** |\n", 80, colour=False
    )
    assert said.splitlines()[:3] == [f"  {code}", "", "    y"]
    assert [line.split() for line in said.splitlines()[4:] if line.isascii()] == [
        ["a", "b"],
        ["x", "22"],
    ]


@pytest.mark.parametrize(
    ("asked", "command"),
    [("cat", []), ("", []), ("no-such-pager -x", []), ("sh -c 'x'", ["sh", "-c", "x"])],
)
def test_the_pager_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str, command: list[str]
) -> None:
    monkeypatch.setenv("PAGER", asked)
    assert markdown.pager() == command


def test_ids_of_the_catalog_are_those_of_the_lesson(root: Path) -> None:
    catalog = catalogs.load(root)
    assert [e.id for e in catalog.exercises] == ["0.1", "1.1", "1.2"]
