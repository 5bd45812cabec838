"""course visualize: see a run in the visualizer."""

from __future__ import annotations

from pathlib import Path

import click

from coursekit.course.paths import Checkout
from coursekit.errors import ALL_PASS, MENDABLE, USAGE, CourseError


@click.command(
    short_help="See a run: the stages, a trace, or a demo on your own runtime.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("what", nargs=-1, type=click.UNPROCESSED, metavar="[TRACE | demo NAME [ARGS]...]")
@click.option("--solutions", is_flag=True, help="Record the demo on the reference.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the page there instead."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: a free one.")
@click.option("--no-browser", is_flag=True, help="Open no browser.")
def command(
    what: tuple[str, ...], solutions: bool, out: Path | None, port: int, no_browser: bool
) -> int:
    """See a run in the visualizer.

    Without arguments: the stages of the course, with scenarios to play with. With a TRACE that
    rt::trace::Session has written: that run. With `demo NAME`: the demo is run and recorded.
    """
    from coursekit.course import paths
    from coursekit.telling import page

    checkout = paths.find_checkout()
    about = ""
    trace: tuple[str, str] | None = None
    if what[:1] == ("demo",):
        if len(what) < 2:
            raise CourseError("Which demo? `scripts/course demo` lists them.", USAGE)
        trace, about = _recorded(checkout, what[1], what[2:], solutions)
    elif what:
        if len(what) > 1:
            raise CourseError(f"One trace at a time, and here are {len(what)}.", USAGE)
        trace = (Path(what[0]).name, page.text_of(Path(what[0])))
    html = page.made(checkout.root, trace, about)
    if out is not None:
        out.write_text(html, "utf-8")
        click.echo(f"The page is in {out}. It needs no network: open it, or send it to somebody.")
        return ALL_PASS
    page.serve(html, port, no_browser, click.echo, "#stage=own" if trace else "")
    return ALL_PASS


def _recorded(
    checkout: Checkout, name: str, arguments: tuple[str, ...], solutions: bool
) -> tuple[tuple[str, str], str]:
    """Runs a demo that records itself: (its trace, what to say of it)."""
    import os
    import tempfile

    from coursekit.commands import demo as demos
    from coursekit.course import catalog as catalogs
    from coursekit.telling import page

    catalog = catalogs.load(checkout.root)
    demo = demos.find(catalog, name)
    if catalog.module(demo.module).number == 0:
        raise CourseError(
            f"{demo.name} belongs to module 0, which has no runtime to record.", USAGE
        )
    binary = demos.built(checkout, catalog, demo, solutions=solutions)
    with tempfile.TemporaryDirectory(prefix="course-visualize-") as folder:
        path = Path(folder) / f"{demo.name}.json"
        line = [str(binary), *arguments]
        if "trace::Session" in demo.path.read_text("utf-8", "replace"):
            line.append(str(path))  # It writes a trace of its own, to the file that it is given.
        else:
            os.environ["RT_TRACE"] = str(path)
        about = ""
        try:
            demos.run(catalog, demo, line, solutions=solutions)
        except CourseError as error:
            about = error.message  # What it recorded until then is what one wants to see.
        finally:
            os.environ.pop("RT_TRACE", None)
        if not path.is_file() or path.stat().st_size == 0:
            raise CourseError(
                f"{about or f'The demo {demo.name} ended'}, and no trace was written: a program that is killed "
                "writes none. Let it come to its end by itself.",
                MENDABLE,
            )
        return (path.name, page.text_of(path)), about
