"""A course of two modules and four exercises, small enough to read, for the tests of the tools."""

from __future__ import annotations

from pathlib import Path

MODULE0 = """module = "module0-first"
title = "First"

[[exercise]]
id = "0.1"
slug = "ground"
title = "Ground"
files = ["src/ground.cc"]
points = 5
minutes = 10
"""

MODULE1 = """module = "module1-second"
title = "Second"

[[exercise]]
id = "1.1"
slug = "alpha"
title = "Alpha"
files = ["include/rt/room/alpha.h"]
points = 5
minutes = 10

[[exercise]]
id = "1.2"
slug = "beta"
title = "Beta"
files = ["include/rt/room/beta.h", "src/beta.cc"]
needs = ["1.1"]
points = 10
minutes = 20
forbid = [{ pattern = 'sleep_for', hint = "Wait for the event." }]

[[exercise]]
id = "1.10"
slug = "gamma"
title = "Gamma"
files = ["include/rt/room/gamma.h"]
needs = ["1.2", "0.1"]
points = 10
minutes = 20
stretch = true
"""

HEADER = '#pragma once\n{includes}inline const char* {name}() {{ return "{whose}"; }}\n'


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make(root: Path) -> Path:
    """Every learner's header says "learner", every reference "solutions", what is given "given"."""
    write(root / "module0-first/exercises.toml", MODULE0)
    write(root / "module1-second/exercises.toml", MODULE1)
    for whose, top in (("learner", root), ("solutions", root / "solutions")):
        write(top / "module0-first/src/ground.cc", source("ground", whose))
        write(top / "module1-second/src/beta.cc", source("beta_source", whose))
        headers = top / "module1-second/include/rt/room"
        write(headers / "alpha.h", header("alpha", whose))
        write(headers / "beta.h", header("beta", whose, "alpha", "given"))
        write(headers / "gamma.h", header("gamma", whose, "beta"))
    write(root / "module0-first/include/rt/room/ground.h", "#pragma once\nconst char* ground();\n")
    write(root / "module0-first/include/rt/room/given.h", header("given", "given"))
    for module, test in (
        ("module0-first", "ground_test"),
        ("module1-second", "alpha_test"),
        ("module1-second", "beta_test"),
        ("module1-second", "beta_stress_test"),
        ("module1-second", "gamma_test"),
    ):
        write(root / module / "tests" / f"{test}.cc", "int main() {}\n")
    return root


def header(name: str, whose: str, *needs: str) -> str:
    includes = "".join(f'#include "rt/room/{need}.h"\n' for need in needs)
    return HEADER.format(includes=includes, name=name, whose=whose)


def source(name: str, whose: str) -> str:
    return f'const char* {name}() {{ return "{whose}"; }}\n'
