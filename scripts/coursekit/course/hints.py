"""One more hint each time: which one is next, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from coursekit.course import lessons, progress
from coursekit.course.catalog import Catalog, Exercise
from coursekit.course.paths import Checkout


@dataclass(frozen=True)
class Shown:
    """What `hint` answers, as Markdown."""

    text: str
    number: int  # of the newest hint in it; 0 for none


def seen(checkout: Checkout, exercise: Exercise) -> int:
    """How many hints of the exercise have been given."""
    count = progress.load(checkout).get(exercise.id, {}).get("hints", 0)
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


def hints_of(
    checkout: Checkout, catalog: Catalog, exercise: Exercise
) -> tuple[lessons.Folded, ...]:
    lesson = lessons.load(checkout.root, catalog.module(exercise.module))
    return lessons.section_of(lesson, exercise).hints


def next_hint(
    checkout: Checkout, catalog: Catalog, exercise: Exercise, *, commands: bool = True
) -> Shown:
    """The next hint; it counts as given. `commands`: say what to type for the next one."""
    hints = hints_of(checkout, catalog, exercise)
    given = min(seen(checkout, exercise), len(hints))
    if given == len(hints):
        return Shown(_no_more(catalog, exercise, len(hints)), 0)
    progress.update(checkout, {exercise.id: {"hints": given + 1}})
    after = _after(exercise, given + 1, len(hints)) if commands else ""
    return Shown(_one(exercise, hints, given) + after, given + 1)


def given_again(checkout: Checkout, catalog: Catalog, exercise: Exercise) -> Shown:
    """All that have been given. None is added."""
    hints = hints_of(checkout, catalog, exercise)
    given = min(seen(checkout, exercise), len(hints))
    if not given:
        return Shown(
            f"No hint for {exercise.id} has been given yet. `scripts/course hint {exercise.id}` gives the first.\n",
            0,
        )
    return Shown("\n".join(_one(exercise, hints, index) for index in range(given)), given)


def _one(exercise: Exercise, hints: tuple[lessons.Folded, ...], index: int) -> str:
    return f"**Hint {index + 1} of {len(hints)} for {exercise.id} ({exercise.slug})**\n\n{hints[index].text}\n"


def _after(exercise: Exercise, given: int, of: int) -> str:
    if given < of:
        return f"\n---\n\nAnother one: `scripts/course hint {exercise.id}`.\n"
    return f"\n---\n\nThat was the last hint. To read the three again: `scripts/course hint {exercise.id} --again`.\n"


def _no_more(catalog: Catalog, exercise: Exercise, of: int) -> str:
    """Three hints were not enough: what is left."""
    number = {0: "no hints", 1: "the one hint", 3: "all three hints"}.get(of, f"all {of} hints")
    said = (
        f"You have had {number} for {exercise.id} ({exercise.slug}).\n\n"
        if of
        else f"There are {number} for {exercise.id}.\n\n"
    )
    said += f"- `scripts/course hint {exercise.id} --again` shows them again.\n" if of else ""
    if all(catalog.solution_file(exercise, file).is_file() for file in exercise.files):
        said += (
            f"- `scripts/course diff {exercise.id} --spoil` shows the reference beside your code.\n"
        )
    else:
        said += "- This copy of the course has no reference for it: ask your instructor.\n"
    return said
