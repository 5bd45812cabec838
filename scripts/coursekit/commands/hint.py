"""course hint: one more hint each time."""

from __future__ import annotations

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths


@click.command(short_help="One more hint each time, three for an exercise.")
@click.argument("name", required=False, metavar="[ID]")
@click.option("--again", is_flag=True, help="Show those that you have had, and no new one.")
def command(name: str | None, again: bool) -> None:
    """One more hint each time, three for an exercise.

    ID is an exercise (1.6, or its name block_on); without it, the next unfinished one.
    """
    from coursekit.course import hints, place
    from coursekit.telling import markdown

    checkout = paths.find_checkout()
    catalog = catalogs.load(checkout.root)
    exercise = place.chosen(checkout, catalog, name)
    shown = (
        hints.given_again(checkout, catalog, exercise)
        if again
        else hints.next_hint(checkout, catalog, exercise)
    )
    markdown.show(shown.text, page=False)
