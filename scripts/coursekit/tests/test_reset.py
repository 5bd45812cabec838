"""course reset: the stub back, and never a learner's work lost."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest

from coursekit import cli
from coursekit.course import catalog as catalogs
from coursekit.course import backups, pristine, progress

from coursekit.course.paths import Checkout
from coursekit.tests import faketree

FILE = "module1-executor/include/rt/future/countdown.h"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return faketree.use(faketree.make(tmp_path / "the course"), monkeypatch)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["reset", *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def kept_copies(checkout: Checkout) -> list[bytes]:
    return [p.read_bytes() for p in sorted((checkout.state / "backups").rglob("*")) if p.is_file()]


def test_the_stub_is_back_and_the_file_is_kept(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout.root / FILE
    stub = path.read_bytes()
    path.write_bytes(b"hours of work\n")
    progress.record_states(checkout, {"1.1": "pass"})
    status, out, _ = run(capsys, "1.1")
    assert status == 0 and path.read_bytes() == stub and b"RT_TODO" in stub
    assert kept_copies(checkout) == [b"hours of work\n"]
    kept = out.split("is kept: ")[1].strip()
    assert (
        kept.startswith(".course/backups/")
        and kept.endswith(FILE)
        and (checkout.root / kept).is_file()
    )
    assert (
        progress.load(checkout)["1.1"]["state"] == "todo"
        and progress.load(checkout)["1.1"]["passed_at"]
    )


def test_an_untouched_file_needs_nothing(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "1.1")
    assert (
        status == 0 and "nothing to put back" in out and not (checkout.state / "backups").exists()
    )


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_a_deleted_empty_or_garbled_file(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = checkout.root / FILE
    stub = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    status, out, _ = run(capsys, "1.1")
    assert status == 0 and path.read_bytes() == stub
    assert kept_copies(checkout) == ([] if content is None else [content])
    assert "is the stub again" in out


def test_a_deleted_folder_comes_back_too(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(checkout.root / "module1-executor/include")
    assert run(capsys, "1.1")[0] == 0 and (checkout.root / FILE).is_file()


def test_a_folder_in_the_files_place_is_left_alone(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout.root / FILE).unlink()
    (checkout.root / FILE).mkdir()
    status, _, err = run(capsys, "1.1")
    assert status == 1 and "is a folder" in err


def test_two_resets_in_one_second_keep_both(checkout: Checkout) -> None:
    now = datetime.datetime(2026, 1, 2, 3, 4, 5)
    first = backups.new_folder(checkout, now)
    first.mkdir(parents=True)
    assert (
        first.name == "2026-01-02-030405"
        and backups.new_folder(checkout, now).name == "2026-01-02-030405-2"
    )


def test_nothing_changes_when_no_copy_can_be_kept(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout.root / FILE).write_bytes(b"mine")
    checkout.state.mkdir()
    (checkout.state / "backups").write_text("a file where a folder belongs", "utf-8")
    status, _, err = run(capsys, "1.1")
    assert status == 3 and "nothing was changed" in err.replace("\n", " ")
    assert (checkout.root / FILE).read_bytes() == b"mine"


def test_unknown_ids_suggest_the_nearest(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capsys, "countdwn")
    assert status == 2 and "Did you mean 1.1?" in err


# ---- without a reference ------------------------------------------------------------------------


@pytest.fixture
def handout(checkout: Checkout) -> Checkout:
    shutil.rmtree(checkout.root / "solutions")
    return checkout


def test_the_first_copy_is_used(handout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    stub = (handout.root / FILE).read_bytes()
    catalog = catalogs.load(handout.root)
    pristine.keep(handout, catalog)
    (handout.root / FILE).write_bytes(b"mine")
    pristine.keep(handout, catalog)  # later commands do not take what was written for a stub
    assert run(capsys, "1.1")[0] == 0 and (handout.root / FILE).read_bytes() == stub


def test_what_is_written_already_is_no_stub(
    handout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    (handout.root / FILE).write_bytes(b"int mine;\n")
    pristine.keep(handout, catalogs.load(handout.root))
    status, _, err = run(capsys, "1.1")
    assert (
        status == 1
        and "no untouched copy" in err
        and (handout.root / FILE).read_bytes() == b"int mine;\n"
    )


def test_git_has_the_newest_version_with_the_most_to_write(
    handout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    def git(*arguments: str) -> None:
        identity = [
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            "-c",
            "commit.gpgsign=false",
        ]
        subprocess.run(
            ["git", *identity, *arguments], cwd=handout.root, check=True, capture_output=True
        )

    git("init", "-q")
    path = handout.root / FILE
    first = path.read_bytes()
    for content in (first, b"// newer\n" + first, b"int mine;\n"):
        path.write_bytes(content)
        git("add", FILE)
        git("commit", "-q", "-m", "a commit")
    assert run(capsys, "1.1")[0] == 0 and path.read_bytes() == b"// newer\n" + first
