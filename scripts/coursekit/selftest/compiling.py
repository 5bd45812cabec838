"""Proves that every header stands alone, and that every snippet of a lesson compiles (or does not, where it says so)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coursekit.building import build
from coursekit.building.overlay import Choice, Writer, plan
from coursekit.course import lessons
from coursekit.course.catalog import Module
from coursekit.selftest.outcome import Bench, Outcome
from coursekit.testing import check


@dataclass(frozen=True)
class Unit:
    """A source file that is only compiled."""

    target: str
    name: str
    module: str
    text: str
    compiles: bool = True


def headers(bench: Bench) -> Iterator[Outcome]:
    """Each rt header and each header of the test kit, and of what has a stub also the stub, as the first include."""
    kinds: tuple[tuple[Choice, str], ...] = (("solutions", "reference"), ("learner", "stub"))
    for choice, whose in kinds:
        yield from _compile(
            bench, choice, f"headers-{choice}", list(_header_units(bench, choice, whose))
        )


def snippets(bench: Bench) -> Iterator[Outcome]:
    yield from _compile(bench, "solutions", "snippets", list(_snippet_units(bench)))


def _header_units(bench: Bench, choice: Choice, whose: str) -> Iterator[Unit]:
    last = bench.catalog.modules[-1]
    stubs = {bench.catalog.learner_file(e, f) for e in bench.catalog.exercises for f in e.files}
    for module in bench.modules:
        for header in sorted((bench.root / module.name / "include").glob("rt/**/*.h")):
            if choice == "learner" and header not in stubs:
                continue
            name = header.relative_to(bench.root / module.name / "include").as_posix()
            yield _header_unit(name, whose, module)
    if choice == "solutions":
        for header in sorted((bench.root / "scripts/testkit/include/testkit").rglob("*.h")):
            name = header.relative_to(bench.root / "scripts/testkit/include").as_posix()
            yield _header_unit(name, whose, last)


def _header_unit(header: str, whose: str, module: Module) -> Unit:
    # Twice: a missing #pragma once shows.
    text = f'#include "{header}"\n#include "{header}"\n'
    return Unit(
        f"alone_{module.number}_" + re.sub(r"\W", "_", header),
        f"{header} ({whose}) stands alone",
        module.name,
        text,
    )


_SNIPPET_HEAD = """\
#include <chrono>
#include <coroutine>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>
"""
# A snippet shows a thought: it need not use what it names.
_SNIPPET_PRAGMAS = "".join(
    f'#pragma GCC diagnostic ignored "-W{name}"\n'
    for name in (
        "unused-variable",
        "unused-but-set-variable",
        "unused-value",
        "unused-result",
        "shadow",
    )
)


def _snippet_units(bench: Bench) -> Iterator[Unit]:
    for module in bench.modules:
        seen = plan(bench.catalog, module, None, "solutions", "solutions").headers
        includes = "".join(f'#include "{name}"\n' for name in sorted(seen))
        head = f"{_SNIPPET_HEAD}{includes}{_SNIPPET_PRAGMAS}using namespace rt;  // NOLINT\n"
        for snippet in lessons.load(bench.root, module).snippets:
            place = f"{module.name}/README.md:{snippet.line}"
            text = (
                f'#line {snippet.line} "{bench.root / module.name / "README.md"}"\n{snippet.code}\n'
            )
            if snippet.body:
                coroutine = (
                    re.search(r"\bco_(await|return|yield)\b", snippet.code) is not None
                    and "Async<" not in snippet.code
                )
                result, end = ("rt::Async<void>", "co_return;") if coroutine else ("void", "")
                text = f"[[maybe_unused]] static {result} snippet() {{\n{text}{end}\n}}\n"
            compiles = not snippet.fails
            expected = "compiles" if compiles else "does not compile, as it says"
            name = f"snippet_{module.number}_{snippet.line}"
            yield Unit(name, f"{place} {expected}", module.name, head + text, compiles)


def _compile(bench: Bench, choice: Choice, name: str, units: list[Unit]) -> Iterator[Outcome]:
    folder = bench.checkout.builds / f"selftest-{name}-sources"
    writer = Writer(folder)
    for unit in units:
        writer.write(f"{unit.module}/{unit.target}.cc", unit.text)
    for module in bench.catalog.modules:
        (folder / module.name).mkdir(parents=True, exist_ok=True)
        writer.remove_others(module.name)
    configuration = build.Configuration(
        subject=choice,
        prior="mine" if choice == "learner" else "solutions",
        variant=f"selftest-{name}",
        options=("-DRT_WERROR=ON", f"-DRT_COMPILE_ONLY={folder}"),
    )
    built = bench.build(configuration, [u.target for u in units])
    for unit in units:
        error = built.broken.get(unit.target)
        if unit.compiles and error is not None:
            yield Outcome(unit.name, check.place_and_message(bench.checkout, error))
        elif not unit.compiles and error is None:
            yield Outcome(unit.name, "it compiles")
        else:
            yield Outcome(unit.name)


def sources_of(bench: Bench) -> Iterator[Path]:
    """Every C++ file of the course."""
    for pattern in ("module*/**/*", "solutions/**/*", "scripts/**/*"):
        for path in sorted(bench.root.glob(pattern)):
            if path.suffix in (".h", ".cc") and path.is_file() and "build" not in path.parts:
                yield path
