"""What the parts of the self-test have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from coursekit.course.catalog import Catalog, Exercise, Module
from coursekit.course.paths import Checkout
from coursekit.telling.ui import Ui


@dataclass(frozen=True)
class Outcome:
    """One thing looked at. No problem: it is as it should be."""

    name: str
    problem: str = ""
    skipped: str = ""  # why it could not be looked at on this machine


@dataclass(frozen=True)
class Bench:
    """What every part works with."""

    checkout: Checkout
    catalog: Catalog
    exercises: tuple[Exercise, ...]  # those that are to be proved
    ui: Ui
    jobs: int
    show: Callable[[str], None]  # prints a line that stays, such as a row of a table
    thread_rounds: int = 0  # what the model checker finds is looked for with threads so often
    sentences: bool = False  # each sentence of a contract is listed, with what breaks it

    @property
    def root(self) -> Path:
        return self.checkout.root

    @property
    def modules(self) -> tuple[Module, ...]:
        """Those of the exercises."""
        named = {exercise.module for exercise in self.exercises}
        return tuple(module for module in self.catalog.modules if module.name in named)


@dataclass(frozen=True)
class Part:
    name: str
    proves: str
    run: Callable[[Bench], Iterator[Outcome]]
