"""What is read from a test's source."""

from __future__ import annotations

from coursekit.course.purposes import alone, matching, nearest, plain_name, written_in

SOURCE = """\
// Bug it is here for: this belongs to a helper, not to a test.
void helper() {}

// Bug it is here for: a wake that comes
// between the check and the sleep.
TEST(Parker, NoWakeIsLost) {
}
TEST_F(Parker,
       Other) {}

// The plain case. Bugs it is here for: a; b.
TYPED_TEST(Typed, One) {}

// Bug it is here for: nothing; this is the plain case.
TEST(Plain, Case) {}
"""


def test_tests_and_their_bugs() -> None:
    assert [(test.name, test.line, test.bug) for test in written_in(SOURCE)] == [
        ("Parker.NoWakeIsLost", 6, "a wake that comes between the check and the sleep."),
        ("Parker.Other", 8, ""),
        ("Typed.One", 12, "a; b."),
        ("Plain.Case", 15, ""),
    ]


def test_one_test_without_the_others() -> None:
    left = alone(SOURCE, "Parker.NoWakeIsLost")
    assert [(test.name, test.line) for test in written_in(left)] == [("Parker.NoWakeIsLost", 6)]
    assert "void helper() {}" in left
    assert len(left.splitlines()) == len(SOURCE.splitlines())
    (other,) = written_in(alone(SOURCE, "Parker.Other"))
    assert (other.name, other.line) == ("Parker.Other", 8)


def test_names_that_googletest_made() -> None:
    assert plain_name("Suite.Name") == "Suite.Name"
    assert plain_name("All/Suite.Name/3") == "Suite.Name"
    assert plain_name("Typed/0.One") == "Typed.One"


def test_a_full_name_means_that_test_alone() -> None:
    names = ["A.Wakes", "A.WakesTwice", "B.Drops"]
    assert matching("A.Wakes", names) == ["A.Wakes"]
    assert matching("Wakes", names) == ["A.Wakes"]
    assert matching("wake", names) == ["A.Wakes", "A.WakesTwice"]
    assert matching("sleeps", names) == []
    assert nearest("wakestwise", names, 1) == ["A.WakesTwice"]
