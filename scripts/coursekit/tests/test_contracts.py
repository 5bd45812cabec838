"""The sentences of a contract, what they are called, and who breaks them."""

from __future__ import annotations

from coursekit.course import contracts
from coursekit.course.mutants import Mutant, Unbroken
from coursekit.selftest import contracts as part

SECTION = """### Exercise 1.6: Block on

- not one of them

**What must hold:**

- The first,
  on two lines.
  - Inside it.
- **Bold** to begin with.

| when | then |
|------|------|
| a    | b    |

Between them.

* A star.

**Predict before coding.** What?

- nor this
"""

HEADER = """// block_on: runs one future.
//
//   the thread      any thread
//   ~~~~~~~~~~      ~~~~~~~~~~
//   poll            wake
//
//   step        does
//   ----        ----
//   park()      sleeps, until
//               it is woken
//    if asked   says so
//   unpark()    wakes
//
//   word | read
//   -----|-----
//   kEnd | the end
//        | of it
//
// What is given:
//   1. No invariant.
//
// Invariants: those of Park, and
//   1. At most one
//      token.
//   2. None is lost.
//
// The idea is Rust's.
#pragma once

// A thread.
//
// Invariants
//   1. It sleeps.
template <class T>
class [[nodiscard]] Parker<T>::Place final : public Park {
 public:
  // Invariants
  //   1. Not at the margin.
};

// Invariants
//   1. Not of a class.
int number();
"""


def test_the_lesson_has_bullets_and_rows_in_one_order() -> None:
    found = [(s.id, s.text) for s in contracts.in_section("1.6", SECTION)]
    assert found == [
        ("1.6 must 1", "The first, on two lines. - Inside it."),
        ("1.6 must 2", "**Bold** to begin with."),
        ("1.6 must 3", "a    | b"),
        ("1.6 must 4", "A star."),
    ]


def test_a_header_has_invariants_and_rows_of_tables() -> None:
    found = [(s.id, s.text) for s in contracts.in_header("1.6", HEADER, "file")]
    assert found == [
        ("1.6 file 1", "At most one token."),
        ("1.6 file 2", "None is lost."),
        ("1.6 file row 1", "park()  sleeps, until  it is woken  if asked  says so"),
        ("1.6 file row 2", "unpark()  wakes"),
        ("1.6 file row 3", "kEnd | the end  | of it"),
        ("1.6 Parker::Place 1", "It sleeps."),
    ]


def mutant(name: str, *breaks: str) -> Mutant:
    return Mutant(
        name, "module1-x", "1.6", "include/rt/a.h", "a", "b", "a slip", "fail", "", breaks
    )


def test_a_sentence_is_broken_by_mutants_or_declared_unbroken_and_not_both() -> None:
    sentences = list(contracts.in_header("1.6", HEADER, "file"))[:3]
    breakers = part.who_breaks(
        [mutant("a", "1.6 file 1"), mutant("b", "1.6 file 1", "1.6 file 2")],
        [Unbroken("1.6 file 2", "It is given.")],
    )
    one, two, three = part.each(sentences, breakers)
    assert breakers["1.6 file 1"] == ["a", "b"]
    assert one.problem == ""
    assert "and b does" in two.problem
    assert "no mutant breaks it" in three.problem


def test_two_sentences_of_one_name_are_told() -> None:
    twice = [contracts.Sentence("1.6 file 1", "a"), contracts.Sentence("1.6 file 1", "b")]
    first, second = part.each(twice, {"1.6 file 1": ["a"]})
    assert (first.problem, bool(second.problem)) == ("", True)


def test_a_name_that_no_sentence_has_is_told_where_it_is_asked_for() -> None:
    def problems(*exercises: str) -> list[str]:
        known = ["1.6 must 1", "1.7 must 1"]
        some = [mutant("a", "1.6 mast 1")]
        entries = [Unbroken("1.7 must 2", "why"), Unbroken("9.9 must 1", "why")]
        return [o.problem for o in part.unknown_names(known, some, entries, set(exercises))]

    assert len(problems("1.6", "1.7")) == 3
    assert len(problems("1.7")) == 2
    assert "Is it '1.6 must 1'?" in problems("1.6")[0]
