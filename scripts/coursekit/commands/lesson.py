"""course lesson: the text for where you are."""

from __future__ import annotations

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths
from coursekit.course.catalog import Catalog, Exercise, Module
from coursekit.course.paths import Checkout


@click.command(short_help="The lesson text for where you are, or of an exercise or module.")
@click.argument("name", required=False, metavar="[ID]")
@click.option("--answers", is_flag=True, help="Show the folded answers too.")
@click.option("--no-pager", is_flag=True, help="Print it at once, however long it is.")
def command(name: str | None, answers: bool, no_pager: bool) -> None:
    """The lesson text for where you are, or of an exercise or module.

    ID is an exercise (1.6, or its name block_on) or a module (module1, or 1). Hints are left out:
    `scripts/course hint` gives them one by one.
    """
    from coursekit.telling import markdown

    checkout = paths.find_checkout()
    catalog = catalogs.load(checkout.root)
    markdown.show(page_for(checkout, catalog, name, answers=answers), page=not no_pager)


def page_for(
    checkout: Checkout, catalog: Catalog, name: str | None, *, answers: bool = False
) -> str:
    """The Markdown to show."""
    from coursekit.course import lessons, place

    if name is not None and (module := named_module(catalog, name)) is not None:
        lesson = lessons.load(checkout.root, module)
        return lessons.fold(lessons.whole(lesson), answers=answers) + _whole_footer(module)
    exercise = catalog.exercise(name) if name is not None else place.current(checkout, catalog)
    if exercise is None:
        return _all_done(catalog)
    module = catalog.module(exercise.module)
    lesson = lessons.load(checkout.root, module)
    said = lessons.section_of(lesson, exercise).text
    if name is None and exercise == module.exercises[0]:
        # Nobody has been here before, so the lesson itself comes first.
        said = lessons.before_exercises(lesson) + "\n" + said
    return lessons.fold(said, answers=answers) + _footer(exercise, module)


def named_module(catalog: Catalog, name: str) -> Module | None:
    if name.isdigit():
        name = f"module{name}"
    return catalog.module(name) if name.startswith("module") else None


def _footer(exercise: Exercise, module: Module) -> str:
    return (
        f"\n---\n\n- check it: `scripts/course check {exercise.id}`\n"
        f"- stuck: `scripts/course hint {exercise.id}`\n"
        f"- all of the lesson: `scripts/course lesson module{module.number}`\n"
    )


def _whole_footer(module: Module) -> str:
    first = module.exercises[0].id if module.exercises else "ID"
    return f"\n---\n\nOne exercise alone: `scripts/course lesson {first}`. Hints: `scripts/course hint {first}`.\n"


def _all_done(catalog: Catalog) -> str:
    modules = "\n".join(
        f"- `scripts/course lesson module{m.number}`: {m.title}" for m in catalog.modules
    )
    return f"Every exercise is done. The lessons stay here to be read again:\n\n{modules}\n"
