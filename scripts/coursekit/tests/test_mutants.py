"""Mutants: what is loaded, what is refused, and that a stale one is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from coursekit.building import mutating, targets
from coursekit.course import catalog, mutants
from coursekit.course.mutants import MutantError
from coursekit.tests import fake_course

MUTANT = """[[mutant]]
name = "beta-says-other"
exercise = "1.2"
file = "include/rt/room/beta.h"
find = 'return "solutions"'
replace = 'return "mutant"'
why = "It is easy to say the wrong thing."
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = fake_course.make(tmp_path / "a b")
    fake_course.write(root / "solutions/mutants/module1.toml", MUTANT)
    return root


def test_load_and_apply(root: Path) -> None:
    course = catalog.load(root)
    (mutant,) = mutants.load_all(course)
    assert (mutant.exercise, mutant.expect) == ("1.2", "fail")
    text = mutants.apply(course, mutant)
    assert 'return "mutant"' in text and 'return "solutions"' not in text
    (unit, stress) = course.tests(course.exercise("1.2"))
    assert mutants.target(mutant, stress) == "mutant_beta-says-other__beta_stress_test"
    assert mutants.of_exercise((mutant,), course.exercise("1.2")) == (mutant,)
    assert mutants.of_exercise((mutant,), course.exercise("1.1")) == ()


def test_a_module_without_a_file_has_none(root: Path) -> None:
    course = catalog.load(root)
    assert mutants.load(course, course.module("module0")) == ()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "find = 'return \"solutions\"'",
            "find = 'gone'",
            "is not in solutions/module1-second/include/rt/room/beta.h",
        ),
        ("find = 'return \"solutions\"'", "find = 'include'", "2 times"),
    ],
)
def test_a_find_text_must_occur_once(root: Path, old: str, new: str, says: str) -> None:
    assert old in MUTANT
    fake_course.write(root / "solutions/mutants/module1.toml", MUTANT.replace(old, new))
    course = catalog.load(root)
    (mutant,) = mutants.load_all(course)
    with pytest.raises(MutantError, match=says):
        mutants.apply(course, mutant)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'name = "beta-says-other"',
            'name = "Beta says"',
            "small letters, digits and single dashes",
        ),
        ('name = "beta-says-other"', "", "has no name"),
        ('exercise = "1.2"', 'exercise = "1.3"', "Did you mean 1.2"),
        ('exercise = "1.2"', 'exercise = "0.1"', "exercise 0.1 belongs to module0-first"),
        (
            "beta.h",
            "alpha.h",
            "is not a file of exercise 1.2 (it has include/rt/room/beta.h, src/beta.cc)",
        ),
        ("find = 'return \"solutions\"'", "find = ''", "find is empty"),
        ("replace = 'return \"mutant\"'", "replace = 'return \"solutions\"'", "are the same"),
        ("replace =", "replac =", "replace is missing"),
        ('why = "It is easy to say the wrong thing."', 'why = " "', "why is empty"),
        ("why =", 'expect = "crash"\nwhy =', "expect is 'fail' or 'hang'"),
        ("why =", "extra = 1\nwhy =", "unknown key 'extra'"),
        ("[[mutant]]", "[[mutants]]", "entries and nothing else"),
    ],
)
def test_mistakes_are_named(root: Path, old: str, new: str, says: str) -> None:
    fake_course.write(root / "solutions/mutants/module1.toml", MUTANT.replace(old, new, 1))
    with pytest.raises(MutantError) as error:
        mutants.load_all(catalog.load(root))
    assert "solutions/mutants/module1.toml" in str(error.value)
    assert says in str(error.value)


def test_a_name_is_unique(root: Path) -> None:
    fake_course.write(root / "solutions/mutants/module1.toml", MUTANT + MUTANT)
    with pytest.raises(MutantError, match="occurs twice"):
        mutants.load_all(catalog.load(root))


def test_the_build_gets_a_target_for_each_test(root: Path, tmp_path: Path) -> None:
    course = catalog.load(root)
    module = course.module("module1")
    written = targets.write_module(
        course, module, tmp_path / "out", "learner", "learner", "beta-says-other"
    )
    calls = written.read_text()
    for test in ("beta_test", "beta_stress_test"):
        assert f"mutant_beta-says-other__{test}" in calls
    mutated = tmp_path / "out/mutant-beta-says-other/mutated"
    assert '"mutant"' in (mutated / "rt/room/beta.h").read_text()
    assert f"MUTATED [==[{mutated}]==]" in calls
    # All else is the reference, whoever's code is tested otherwise.
    reference = tmp_path / "out/mutants/beta"
    assert "/solutions/" in (reference / "rt/room/alpha.h").read_text()


def test_the_test_that_a_mutant_names_is_built_alone(root: Path, tmp_path: Path) -> None:
    named = MUTANT.replace("find =", 'by = "Beta.Says"\nfind =')
    fake_course.write(root / "solutions/mutants/module1.toml", named)
    tests = root / "module1-second/tests/beta_test.cc"
    tests.write_text("TEST(Beta, Is) {\n}\nTEST(Beta, Says) {\n}\n")
    course = catalog.load(root)
    module = course.module("module1")
    written = targets.write_module(
        course, module, tmp_path / "out", "learner", "learner", mutating.AIMED
    )
    assert "mutant_beta-says-other__aimed" in written.read_text()
    alone = tmp_path / "out/mutant-beta-says-other/aimed/beta_test.cc"
    assert alone.read_text() == "\n\nTEST(Beta, Says) {\n}\n"


def test_a_test_that_is_gone_is_not_built(root: Path) -> None:
    named = MUTANT.replace("find =", 'by = "Beta.NobodyKnows"\nfind =')
    fake_course.write(root / "solutions/mutants/module1.toml", named)
    course = catalog.load(root)
    (mutant,) = mutants.load_all(course)
    assert mutants.aimed_at(course, mutant) is None


def test_a_stale_mutant_does_not_stop_the_others(root: Path, tmp_path: Path) -> None:
    stale = MUTANT.replace("beta-says-other", "stale").replace("find = 'return", "find = 'gone")
    fake_course.write(root / "solutions/mutants/module1.toml", stale + MUTANT)
    course = catalog.load(root)
    targets.write_module(
        course,
        course.module("module1"),
        tmp_path / "out",
        "solutions",
        "solutions",
        "stale,beta-says-other",
    )
    folder = tmp_path / "out"
    stale_file = folder / "mutant-stale/mutated/rt/room/beta.h"
    assert "#error mutant stale: " in stale_file.read_text()
    assert (folder / "mutant-beta-says-other/mutated/rt/room/beta.h").is_file()
