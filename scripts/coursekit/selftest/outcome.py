"""What the parts of the self-test have in common."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coursekit.building import build, inputs
from coursekit.course.catalog import Catalog, Exercise, Module
from coursekit.course.paths import Checkout
from coursekit.errors import CourseError
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
    thread_rounds: int = 100  # so often what the model checker finds is looked for with threads
    sentences: bool = False  # each sentence of a contract is listed, with what breaks it

    @property
    def root(self) -> Path:
        return self.checkout.root

    def build(self, configuration: build.Configuration, targets: Sequence[str]) -> build.Built:
        """What is run afterwards is what is on disk: a file that is saved meanwhile ends the self-test."""
        built = build.build(self.checkout, configuration, targets, self.ui.progress, self.jobs)
        if targets and (changed := inputs.changed(built.contents, inputs.contents(self.root))):
            name = self.checkout.relative(changed[0])
            raise CourseError(f"{name} was saved while it was being built. Run this part again.")
        return built

    def run(
        self,
        command: Sequence[str],
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """A tool, in the checkout or elsewhere."""
        self.ui.progress(f"running {' '.join(Path(word).name for word in command[:2])}", 0, 0)
        return subprocess.run(
            command,
            cwd=cwd or self.root,
            env=build.build_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

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
    reads: Literal["everything", "code"] = "code"  # of the checkout; code is all but prose
