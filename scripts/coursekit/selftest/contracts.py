"""Proves that some wrong solution breaks each sentence of each contract; it is killed by the part `mutants`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from coursekit.course import contracts, mutants
from coursekit.course.contracts import Sentence
from coursekit.course.mutants import Mutant, Unbroken
from coursekit.selftest.outcome import Bench, Outcome

_UNBROKEN = "(no wrong solution can)"


def covered(bench: Bench) -> Iterator[Outcome]:
    catalog = bench.catalog
    every = {e.id: contracts.of_exercise(catalog, e) for e in catalog.exercises}
    all_mutants = mutants.load_all(catalog)
    unbroken = [
        entry for module in catalog.modules for entry in mutants.load_unbroken(catalog, module)
    ]
    chosen = {exercise.id for exercise in bench.exercises}
    breakers = who_breaks(all_mutants, unbroken)
    total = by_mutants = 0
    for exercise in bench.exercises:
        sentences = every[exercise.id]
        if not contracts.has_contract(exercise):
            continue
        total += len(sentences)
        broken = sum(breakers.get(s.id, [_UNBROKEN]) != [_UNBROKEN] for s in sentences)
        by_mutants += broken
        declared = sum(breakers.get(s.id) == [_UNBROKEN] for s in sentences)
        missing = len(sentences) - broken - declared
        bench.show(
            f"  {exercise.id:<5} {len(sentences):>3} sentences: {broken} broken by mutants, "
            f"{declared} declared unbroken, {missing} by nothing"
        )
        if missing or bench.sentences:
            for line in listing(sentences, breakers):
                bench.show(line)
        yield from each(sentences, breakers)
    known = [sentence.id for sentences in every.values() for sentence in sentences]
    yield from unknown_names(known, all_mutants, unbroken, chosen)
    declared = sum(entry.sentence.split(" ")[0] in chosen for entry in unbroken)
    bench.show(f"  {total} sentences: {by_mutants} broken by mutants, {declared} declared unbroken")


def who_breaks(all_mutants: Iterable[Mutant], unbroken: Iterable[Unbroken]) -> dict[str, list[str]]:
    """By sentence: the mutants that name it, or that none can."""
    found: dict[str, list[str]] = {}
    for entry in unbroken:
        found.setdefault(entry.sentence, []).append(_UNBROKEN)
    for mutant in all_mutants:
        for sentence in mutant.breaks:
            found.setdefault(sentence, []).append(mutant.name)
    return found


def each(sentences: Sequence[Sentence], breakers: Mapping[str, Sequence[str]]) -> Iterator[Outcome]:
    seen: set[str] = set()
    for sentence in sentences:
        names = breakers.get(sentence.id, ())
        problem = ""
        if sentence.id in seen:
            problem = "two sentences are called so: number them apart"
        elif not names:
            problem = "no mutant breaks it, and no [[unbroken]] says why"
        elif _UNBROKEN in names and len(names) > 1:
            problem = f"an [[unbroken]] says that nothing breaks it, and {names[-1]} does"
        seen.add(sentence.id)
        yield Outcome(sentence.id, problem)


def unknown_names(
    known: Sequence[str],
    all_mutants: Iterable[Mutant],
    unbroken: Iterable[Unbroken],
    exercises: set[str],
) -> Iterator[Outcome]:
    """What mutants and [[unbroken]] entries name, and no sentence is called."""
    named = [
        (mutant.exercise, f"mutant {mutant.name}", sentence)
        for mutant in all_mutants
        for sentence in mutant.breaks
    ]
    named += [(entry.sentence.split(" ")[0], "[[unbroken]]", entry.sentence) for entry in unbroken]
    all_ids = {name.split(" ")[0] for name in known}
    for exercise, who, sentence in named:
        if sentence not in known and (exercise in exercises or exercise not in all_ids):
            near = difflib.get_close_matches(sentence, known, n=1)
            hint = f" Is it {near[0]!r}?" if near else ""
            yield Outcome(
                f"{who} names {sentence!r}",
                f"no sentence has this name.{hint} `selftest contracts --sentences` lists them",
            )


def listing(sentences: Sequence[Sentence], breakers: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for sentence in sentences:
        names = ", ".join(breakers.get(sentence.id, ())) or "BY NOTHING"
        yield f"        {sentence.id:<22} {sentence.text}"
        yield f"        {'':<22}   <- {names}"
