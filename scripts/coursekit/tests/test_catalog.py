"""The catalog: what it finds, and that each mistake in an exercises.toml is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from coursekit.course import catalog
from coursekit.course.catalog import Catalog, CatalogError, UnknownId
from coursekit.tests import fake_course

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def course(tmp_path: Path) -> Catalog:
    return catalog.load(fake_course.make(tmp_path))


def test_exercises_come_in_the_order_people_count(course: Catalog) -> None:
    assert [e.id for e in course.exercises] == ["0.1", "1.1", "1.2", "1.10"]
    assert [m.number for m in course.modules] == [0, 1]


def test_an_exercise_has_what_its_entry_says(course: Catalog) -> None:
    beta = course.exercise("1.2")
    assert beta == course.exercise("beta")
    assert (beta.module, beta.headers, beta.sources) == (
        "module1-second",
        ("include/rt/room/beta.h",),
        ("src/beta.cc",),
    )
    assert beta.forbid[0].hint == "Wait for the event."
    assert (beta.kind, beta.stretch, course.exercise("1.10").stretch) == ("code", False, True)


def test_needs_are_followed_through_others(course: Catalog) -> None:
    assert [e.id for e in course.closure(course.exercise("1.10"))] == ["0.1", "1.1", "1.2", "1.10"]
    assert [e.id for e in course.closure(course.exercise("1.1"))] == ["1.1"]


def test_tests_are_those_that_exist_with_their_kind(course: Catalog) -> None:
    tests = course.tests(course.exercise("1.2"))
    assert [(t.target, t.kind) for t in tests] == [
        ("beta_test", "unit"),
        ("beta_stress_test", "stress"),
    ]


def test_the_files_of_a_kind_are_one_stage(tmp_path: Path) -> None:
    root = fake_course.make(tmp_path)
    entry = root / "module1-second/exercises.toml"
    entry.write_text(entry.read_text().replace('slug = "beta"', 'slug = "beta"\nparts = ["more"]'))
    (root / "module1-second/tests/beta_more_test.cc").write_text("")
    course = catalog.load(root)
    stages = course.stages(course.exercise("1.2"))
    assert [[test.target for test in stage] for stage in stages] == [
        ["beta_test", "beta_more_test"],
        ["beta_stress_test"],
    ]


def test_select(course: Catalog) -> None:
    assert [e.id for e in course.select(["beta", "1.1", "1.2"])] == ["1.1", "1.2"]
    assert len(course.select(["all"])) == 4
    assert [e.id for e in course.select(["module1"])] == ["1.1", "1.2", "1.10"]
    assert course.select(["module0-first"]) == course.select(["module0"])


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("1.3", "1.2"),
        ("1.11", "1.10"),
        ("7.1", "1.1"),
        ("betta", "1.2"),
        ("Alpha", "1.1"),
        ("module9", "module"),
    ],
)
def test_an_unknown_id_suggests_the_nearest(course: Catalog, asked: str, nearest: str) -> None:
    with pytest.raises(UnknownId) as error:
        course.select([asked])
    assert error.value.nearest[0].startswith(nearest)
    assert f"Did you mean {nearest}" in str(error.value)


def test_nothing_near_suggests_nothing(course: Catalog) -> None:
    with pytest.raises(UnknownId) as error:
        course.exercise("xyzzy")
    assert error.value.nearest == ()


def test_demos_that_share_a_name_get_their_modules_number(tmp_path: Path) -> None:
    root = fake_course.make(tmp_path)
    for name in (
        "module0-first/demo/echo.cc",
        "module1-second/demo/echo.cc",
        "module1-second/demo/race.cc",
    ):
        fake_course.write(root / name, "int main() {}\n")
    assert [d.target for d in catalog.load(root).demos()] == [
        "demo_echo_0",
        "demo_echo_1",
        "demo_race",
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('slug = "beta"', 'slug = "alpha"', "1.2: exercise 1.1 has the slug 'alpha' too"),
        ('slug = "beta"', 'slug = "Beta-1"', "1.2: slug 'Beta-1' is not in small letters"),
        ('id = "1.2"', 'id = "1.1"', "exercise 1.1 occurs twice"),
        ('id = "1.2"', 'id = "2.2"', "exercise 2.2 belongs to another module"),
        ('id = "1.2"', "id = 1.2", "has no id, or one without quotes"),
        ('id = "1.2"', 'id = "one"', "exercise one: an id looks like 1.6"),
        ('id = "1.2"', 'id = "1.20"', "do not stand in the order of their ids"),
        ('needs = ["1.1"]', 'needs = ["1.10"]', "1.2: needs 1.10, which comes later"),
        ('needs = ["1.1"]', 'needs = ["1.2"]', "exercise 1.2 needs itself"),
        ('needs = ["1.1"]', 'needs = ["1.7"]', "1.2: needs 1.7, which does not exist"),
        ('needs = ["1.1"]', "needs = 1", "1.2: needs is not a list of texts"),
        ('"src/beta.cc"', '"include/rt/room/alpha.h"', "alpha.h already belongs to exercise 1.1"),
        ('"src/beta.cc"', '"../beta.cc"', "file '../beta.cc' is neither"),
        ("sleep_for", "(", "pattern '(' is no regex"),
        ("hint =", "hnt =", "forbid: hint is missing"),
        ('slug = "beta"', 'slug = "beta"\nparts = ["model"]', "no name for a part"),
        ("points = 10", "points = 0", "points is not a number above zero"),
        ("points = 10", "point = 10", "points is missing"),
        ("stretch = true", "strech = true", "unknown key 'strech'. Did you mean 'stretch'?"),
        ("stretch = true", 'kind = "quiz"', "kind 'quiz' is none of code, write_the_test"),
        ('title = "Beta"', 'title = ""', "title is not a text"),
        ('module = "module1-second"', 'module = "module1"', "and the folder is 'module1-second'"),
        ("[[exercise]]", "[exercise", "module1-second/exercises.toml: "),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    root = fake_course.make(tmp_path)
    assert old in fake_course.MODULE1
    fake_course.write(
        root / "module1-second/exercises.toml", fake_course.MODULE1.replace(old, new, 1)
    )
    with pytest.raises(CatalogError) as error:
        catalog.load(root)
    assert str(error.value).startswith("module1-second/exercises.toml")
    assert says in str(error.value)


def test_a_folder_that_is_no_course_is_said(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="is it a checkout of the course"):
        catalog.load(tmp_path)


def test_an_exercises_file_that_is_not_utf8(tmp_path: Path) -> None:
    root = fake_course.make(tmp_path)
    (root / "module0-first/exercises.toml").write_bytes(b"module = '\xff'")
    with pytest.raises(CatalogError, match="module0-first/exercises.toml cannot be read"):
        catalog.load(root)


def test_this_course_loads() -> None:
    assert catalog.load(ROOT).exercise("1.6").slug == "block_on"
