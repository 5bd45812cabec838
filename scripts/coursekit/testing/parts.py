"""The tests of one exercise in parts, kind by kind: each kind as soon as it is built, while the rest still is.

The first part that does not pass is the answer, and nobody waits for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coursekit.course.catalog import TestFile
from coursekit.testing.verdicts import TestResult

Run = Callable[[Sequence[TestFile]], list[TestResult]]


class Parts:
    def __init__(
        self, stages: Sequence[Sequence[TestFile]], run: Run, tell: Callable[[str], None]
    ) -> None:
        """`stages`: those of a kind, in the order in which they are run. `tell`: of a kind that passed, while others are to come."""
        self._waiting = list(stages)
        self._linked: set[str] = set()
        self._run = run
        self._tell = tell
        self.said: list[TestResult] = []

    def linked(self, target: str) -> bool:
        """Its program is there, new or as it was. Returns whether to go on building."""
        self._linked.add(target)
        while self._waiting and self.passing and self._is_linked(self._waiting[0]):
            stage = self._waiting.pop(0)
            said = self._run(stage)
            self.said += said
            if self.passing and self._waiting:
                tests = "test passes" if len(said) == 1 else "tests pass"
                kinds = " and ".join(later[0].kind for later in self._waiting)
                self._tell(f"{len(said)} {stage[0].kind} {tests}. Next: {kinds} tests.")
        return self.passing

    def _is_linked(self, stage: Sequence[TestFile]) -> bool:
        return all(test.target in self._linked for test in stage)

    @property
    def passing(self) -> bool:
        return all(test.state == "pass" for test in self.said)
