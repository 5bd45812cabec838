"""course status: the map."""

from __future__ import annotations

import json
import sys

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths, progress


@click.command(short_help="The map: every exercise, done, failing or not written, and its points.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(as_json: bool) -> None:
    """The map: every exercise, done, failing or not written, and its points.

    It shows what the last check of each exercise said, and builds nothing.
    """
    from coursekit.course import status
    from coursekit.telling import report, text
    from coursekit.testing import check

    checkout = paths.find_checkout()
    catalog = catalogs.load(checkout.root)
    standing = status.standings(checkout, catalog)
    if as_json:
        print(json.dumps(status.as_object(standing), indent=1, ensure_ascii=False))
        return
    look = report.Look(text.width_of(sys.stdout), text.unicode_of(sys.stdout))
    following = check.next_unfinished(catalog, progress.load(checkout))
    text.write(status.lines(catalog, standing, look, following))
