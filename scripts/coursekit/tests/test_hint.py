"""course hint: one more each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from coursekit import cli
from coursekit.course import progress
from coursekit.course.paths import Checkout
from coursekit.tests import faketree


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return faketree.use(faketree.make(tmp_path / "c"), monkeypatch)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["hint", *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_one_more_each_time_then_the_way_out(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    _, first, _ = run(capsys, "1.1")
    assert "Hint 1 of 3 for 1.1" in first and "First hint" in first and "Second hint" not in first
    _, second, _ = run(capsys, "countdown")
    assert "Second hint" in second and "First hint" not in second
    _, third, _ = run(capsys, "1.1")
    assert "Third hint" in third and "last hint" in third
    status, fourth, _ = run(capsys, "1.1")
    assert status == 0 and "all three hints" in fourth and "course diff 1.1 --spoil" in fourth
    _, again, _ = run(capsys, "1.1", "--again")
    assert all(f"{n} hint of countdown" in again for n in ("First", "Second", "Third"))
    _, other, _ = run(capsys, "1.2")
    assert "First hint of waker" in other


def test_without_an_id_it_is_the_next_exercise(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(capsys)
    assert "First hint of blocking_echo" in out


def test_again_counts_nothing(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "1.1", "--again")
    assert "No hint for 1.1" in out and progress.load(checkout) == {}


def test_hints_do_not_touch_what_passed(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    progress.record_states(checkout, {"1.1": "pass"})
    run(capsys, "1.1")
    assert progress.load(checkout)["1.1"]["state"] == "pass"


def test_a_handout_points_to_the_instructor(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    progress.update(checkout, {"1.1": {"hints": 3}})
    (checkout.root / "solutions/module1-executor/include/rt/future/countdown.h").unlink()
    _, out, _ = run(capsys, "1.1")
    assert "--spoil" not in out and "instructor" in out


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[1, 2]", b'{"exercises": {"1.1": {"hints": "many"}}}']
)
def test_a_broken_state_file_starts_anew(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    checkout.state.mkdir()
    (checkout.state / progress.FILE).write_bytes(content)
    status, out, err = run(capsys, "1.1")
    assert status == 0 and "First hint" in out
    if b"exercises" not in content:
        assert (
            "progress.json.broken" in err
            and (checkout.state / "progress.json.broken").read_bytes() == content
        )
    assert progress.load(checkout)["1.1"]["hints"] == 1


def test_unknown_ids_suggest_the_nearest(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capsys, "1.9")
    assert status == 2 and "Did you mean 1.2?" in err
