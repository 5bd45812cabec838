"""Tells CMake which programs there are, and what each is built from: `overlay/<module>.cmake`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Sequence

from coursekit.building import mutating
from coursekit.building.overlay import Choice, Writer, cmake_call, plan, skip_reason, write_plan
from coursekit.course import catalog as catalog_module
from coursekit.course.catalog import Catalog, Module
from coursekit.errors import CourseError


def test_calls(
    catalog: Catalog, module: Module, writer: Writer, subject: Choice, prior: Choice
) -> list[str]:
    calls = []
    for exercise in module.exercises:
        reason = skip_reason(catalog, exercise)
        if reason:
            calls.append(f'message(STATUS "exercise {exercise.id} is left out: {reason}")\n')
            continue
        folder, sources = write_plan(
            catalog.root, writer, exercise.slug, plan(catalog, module, exercise, subject, prior)
        )
        for test in catalog.tests(exercise):
            calls.append(
                cmake_call(
                    "course_test",
                    TARGET=test.target,
                    ID=exercise.id,
                    NEEDS=";".join(e.id for e in catalog.closure(exercise) if e != exercise),
                    KIND=test.kind,
                    OVERLAY=str(folder),
                    SOURCES=[test.path, *sources],
                )
            )
    return calls


def demo_calls(catalog: Catalog, module: Module, writer: Writer, choice: Choice) -> list[str]:
    """What has no exercise sees the module as a whole: its demos, and what is only compiled."""
    demos = [demo for demo in catalog.demos() if demo.module == module.name]
    folder, sources = write_plan(
        catalog.root, writer, f"demo-{module.name}", plan(catalog, module, None, choice, choice)
    )
    return [
        cmake_call(
            "course_demo", TARGET=demo.target, OVERLAY=str(folder), SOURCES=[demo.path, *sources]
        )
        for demo in demos
    ]


def demo_choice(subject: Choice, prior: Choice) -> Choice | None:
    """Demos show one whole runtime: the reference's or the learner's, never a mixture."""
    if subject == "solutions":
        return "solutions"
    return "learner" if prior == "learner" else None


def write_module(
    catalog: Catalog,
    module: Module,
    out: Path,
    subject: Choice,
    prior: Choice,
    mutants: str = "",
) -> Path:
    """Writes all that CMake needs to build one module. Returns the file for it to include.

    `mutants`: see mutating.calls(); empty for none.
    """
    writer = Writer(out)
    calls = test_calls(catalog, module, writer, subject, prior)
    choice = demo_choice(subject, prior)
    if choice:
        calls += demo_calls(catalog, module, writer, choice)
    if mutants:
        calls += mutating.calls(catalog, module, writer, mutants)
    head = (
        f"# Written by scripts/coursekit/building/targets.py from {module.name}/exercises.toml.\n"
    )
    return writer.write(f"{module.name}.cmake", "".join([head, *calls]))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="coursekit overlay", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the course's folder")
    parser.add_argument("--module", required=True, help="the module's folder name")
    parser.add_argument("--out", type=Path, required=True, help="where to write")
    parser.add_argument("--subject", choices=("learner", "solutions"), required=True)
    parser.add_argument("--prior", choices=("mine", "solutions"), required=True)
    parser.add_argument("--mutants", default="", help="wrong solutions too: aimed, or their names")
    options = parser.parse_args(arguments)
    prior: Choice = "learner" if options.prior == "mine" else "solutions"
    try:
        catalog = catalog_module.load(options.root.resolve())
        module = catalog.module(options.module)
        write_module(catalog, module, options.out, options.subject, prior, options.mutants)
    except (CourseError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
