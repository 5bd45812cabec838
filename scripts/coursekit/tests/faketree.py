"""A small course to try commands on: two modules, three exercises, lessons, solutions. Nothing here is built."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from coursekit.course import paths
from coursekit.course.paths import Checkout

LESSON = """# {title}

Why is it so?

## What you will be able to do

You can read [the notes](../solutions/{module}/NOTES.md) and [the table](#experiment).

## The commands

```sh
scripts/course check
```

## The exercises

{sections}
## Experiment

| n | ns |
|---|---|
| 1 | 2 |

## Check your understanding

<details><summary>Who polls again?</summary>

Whoever was woken.

</details>

## Pitfalls

## How Tokio does it

## What this still can't do
"""

SECTION = """### Exercise {id}: {title}

Goal: one sentence about {slug}.

**Files** `{file}`

**You need** nothing from other headers.

**What must hold** It holds.

**Predict before coding** What happens?

**Run** `scripts/course check {id}`

```cpp body
int {slug} = 1;
```

<details><summary>Hint 1</summary>

First hint of {slug}: is it *ready*?

</details>

<details><summary>Hint 2</summary>

Second hint of {slug}.

```cpp
### Exercise 9.9: not a heading
</details>
```

</details>

<details><summary>Hint 3</summary>

Third hint of {slug}.

</details>

"""

EXERCISES = {
    "module0-problem": (("0.1", "blocking_echo", "An echo server", "src/blocking_echo.cc", ""),),
    "module1-executor": (
        ("1.1", "countdown", "A countdown", "include/rt/future/countdown.h", ""),
        ("1.2", "waker", "A waker", "include/rt/future/waker.h", '"1.1"'),
    ),
}

SOLUTION = """// What {slug} is for.
#pragma once

inline int {slug}_value() {{
  // BEGIN SOLUTION {id}
  return 42;
  // END SOLUTION
}}
"""


def lesson_text(module: str) -> str:
    sections = "".join(
        SECTION.format(id=i, slug=slug, title=title, file=file)
        for i, slug, title, file, _ in EXERCISES[module]
    )
    return LESSON.format(title=f"Lesson of {module}", module=module, sections=sections)


def make(root: Path) -> Path:
    """Writes the course under `root`, with stubs in place of every exercise."""
    from coursekit.course import stubs

    for module, exercises in EXERCISES.items():
        folder = root / module
        (folder / "tests").mkdir(parents=True)
        (folder / "demo").mkdir()
        toml = f'module = "{module}"\ntitle = "About {module}"\n'
        for number, slug, title, file, needs in exercises:
            toml += (
                f'[[exercise]]\nid = "{number}"\nslug = "{slug}"\ntitle = "{title}"\nfiles = ["{file}"]\n'
                f"needs = [{needs}]\npoints = 10\nminutes = 20\n"
            )
            solution = root / "solutions" / module / file
            solution.parent.mkdir(parents=True, exist_ok=True)
            solution.write_text(SOLUTION.format(id=number, slug=slug), "utf-8")
            (folder / "tests" / f"{slug}_test.cc").write_text("// a test\n", "utf-8")
        (folder / "exercises.toml").write_text(toml, "utf-8")
        (folder / "README.md").write_text(lesson_text(module), "utf-8")
        (folder / "CMakeLists.txt").write_text("# a module\n", "utf-8")
        (root / "solutions" / module / "NOTES.md").write_text("# Notes\n", "utf-8")
    (root / "module1-executor/demo/hello_future.cc").write_text(
        "// Counts down in two tasks.\n// And more.\nint main() {}\n", "utf-8"
    )
    (root / "solutions/mutants").mkdir()
    (root / "solutions/mutants/module0.toml").write_text("", "utf-8")
    stubs.write_all(root)
    shutil.rmtree(root / ".course", ignore_errors=True)
    return root


def solve(root: Path, module: str, file: str) -> None:
    """The learner writes what the reference has."""
    (root / module / file).write_text(
        (root / "solutions" / module / file).read_text("utf-8"), "utf-8"
    )


def use(root: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """Commands that look for their checkout find this one."""
    checkout = Checkout(root, root / ".course", root / "build", read_only=False)
    monkeypatch.setattr(paths, "find_checkout", lambda: checkout)
    return checkout
