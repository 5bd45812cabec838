"""course demo: build a demo and run it."""

from __future__ import annotations

import difflib
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import click

from coursekit.course import catalog as catalogs
from coursekit.course import paths
from coursekit.course.catalog import Catalog, Demo
from coursekit.course.paths import Checkout
from coursekit.errors import ALL_PASS, INTERRUPTED, MENDABLE, USAGE, CourseError
from coursekit.telling.text import Line

_NOT_WRITTEN = re.compile(rb"exercise (\d+\.\d+[a-z]?) is not written yet")
_TAIL = 4096  # of what a demo says on stderr, enough to find its last words


@click.command(
    short_help="Run a demo on your code, or on the reference.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("name", required=False, metavar="[NAME]")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
@click.option("--solutions", is_flag=True, help="Run it on the reference instead of your code.")
def command(name: str | None, arguments: tuple[str, ...], solutions: bool) -> int:
    """Run a demo on your code, or on the reference.

    Without a name: which demos there are. ARGS go to the demo; what follows -- goes there as it is.
    """
    from coursekit.telling import text

    checkout = paths.find_checkout()
    catalog = catalogs.load(checkout.root)
    if name is None:
        text.write(listing(catalog, text.width_of(sys.stdout)))
        return ALL_PASS
    demo = find(catalog, name)
    if solutions and not has_reference(catalog, demo):
        raise CourseError(
            f"This copy of the course has no solutions for {demo.module}, so --solutions has nothing to run.",
            USAGE,
        )
    if not solutions and nothing_written(catalog, demo):
        raise CourseError(_nothing_yet(catalog, demo), MENDABLE)
    binary = built(checkout, catalog, demo, solutions=solutions)
    return run(catalog, demo, [str(binary), *arguments], solutions=solutions)


def find(catalog: Catalog, name: str) -> Demo:
    demos = {demo.name: demo for demo in catalog.demos()}
    asked = name.removeprefix("demo_").removesuffix(".cc").replace("-", "_")
    if asked in demos:
        return demos[asked]
    near = (
        # The echo server is in several modules, and has their numbers.
        [n for n in demos if re.fullmatch(rf"{re.escape(asked)}_\d+", n)]
        or difflib.get_close_matches(asked, demos, n=1)
        or [n for n in demos if asked and n.startswith(asked)][:2]
    )
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise CourseError(f"There is no demo {name!r}.{hint} `scripts/course demo` lists them.", USAGE)


def first_comment(path: Path) -> str:
    """The first line of the comment that opens a demo's source."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for raw in lines[:20]:
        said = raw.strip()
        if said.startswith(("//", "/*", "*")):
            if words := said.lstrip("/*! ").removesuffix("*/").strip():
                return words
        elif said and not said.startswith("#"):
            break
    return ""


def listing(catalog: Catalog, width: int) -> list[Line]:
    """One line for each demo."""
    from coursekit.telling.text import Span, line, prose

    demos = catalog.demos()
    if not demos:
        return [line("This copy of the course has no demos.")]
    room = max(len(demo.name) for demo in demos)
    out = []
    module = ""
    for demo in demos:
        if demo.module != module:
            module = demo.module
            out.append(line(Span(module, "dim")))
        said = first_comment(demo.path)
        said = re.sub(rf"^{re.escape(demo.path.stem)}(\.cc)?\s*[:.-]\s*", "", said)
        said = said[:1].upper() + said[1:]
        if len(said) > width - room - 4:
            said = said[: width - room - 7].rstrip() + "..."
        out.append(line("  ", Span(f"{demo.name:<{room}}", "bold"), f"  {said}"))
    out.append(line(""))
    out += prose(
        "`scripts/course demo NAME` runs one on your code; with --solutions, on the reference.",
        width,
    )
    return out


def nothing_written(catalog: Catalog, demo: Demo) -> bool:
    """Whether every exercise of the demo's module is still a stub."""
    from coursekit.testing import check

    return all(
        check.is_unwritten(catalog, exercise) for exercise in catalog.module(demo.module).exercises
    )


def has_reference(catalog: Catalog, demo: Demo) -> bool:
    """Whether every exercise that the demo may use has one. A handout has some at most."""
    last = catalog.module(demo.module).number
    exercises = [e for module in catalog.modules if module.number <= last for e in module.exercises]
    return all(catalog.solution_file(e, file).is_file() for e in exercises for file in e.files)


def _reference_offer(catalog: Catalog, demo: Demo) -> str:
    if not has_reference(catalog, demo):
        return ""
    return f" `scripts/course demo {demo.name} --solutions` runs it on the reference."


def _nothing_yet(catalog: Catalog, demo: Demo) -> str:
    module = catalog.module(demo.module)
    return (
        f"The demo {demo.name} runs on your own code, and module {module.number} is still before you: nothing to be sorry for."
        f"{_reference_offer(catalog, demo)} `scripts/course lesson module{module.number}` is where yours begins."
    )


def built(checkout: Checkout, catalog: Catalog, demo: Demo, *, solutions: bool) -> Path:
    """Builds the demo. Raises CourseError with the first compiler error."""
    from coursekit.building import build
    from coursekit.telling import ui
    from coursekit.testing import check

    configuration = build.Configuration(
        subject="solutions" if solutions else "learner", prior="solutions" if solutions else "mine"
    )
    with ui.interface() as interface, paths.exclusive(
        checkout, f"course demo {demo.name}", interface.say
    ):
        if checkout.read_only:
            interface.say(
                f"This checkout cannot be written to, so it is built in {checkout.builds}."
            )
        result = build.build(checkout, configuration, [demo.target], interface.progress)
    if demo.target in result.broken:
        error = result.broken[demo.target]
        offer = "" if solutions else _reference_offer(catalog, demo)
        raise CourseError(
            f"The demo {demo.name} does not compile: {check.place_and_message(checkout, error)}.{offer}",
            MENDABLE,
            "\n".join(f"  {part}" for part in error.excerpt),
        )
    return build.binary(checkout, configuration, demo.target)


def run(catalog: Catalog, demo: Demo, command_line: list[str], *, solutions: bool) -> int:
    """Runs it on this terminal, in the folder where the command was called. Ctrl-C is for the demo."""
    from coursekit.testing import verdicts

    sys.stdout.flush()
    try:
        process = subprocess.Popen(command_line, stderr=subprocess.PIPE)
    except OSError as error:
        raise CourseError(f"The demo {demo.name} cannot be started: {error.strerror}.") from error
    assert process.stderr is not None
    tail = bytearray()

    def forward() -> None:
        """Shows what it says on stderr at once, and keeps the end."""
        assert process.stderr is not None
        while data := process.stderr.read1(65536):  # type: ignore[attr-defined]
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
            tail.extend(data)
            del tail[:-_TAIL]

    reader = threading.Thread(target=forward, daemon=True)
    reader.start()
    interrupted = False
    while True:
        try:
            status = process.wait()
            break
        except KeyboardInterrupt:  # the terminal has sent it to the demo too
            if interrupted:
                process.kill()
            interrupted = True
        except BaseException:
            process.terminate()
            raise
    reader.join(timeout=1.0)
    if interrupted and status in (0, -signal.SIGINT, 130):
        return INTERRUPTED if status else ALL_PASS
    if status == verdicts.EXIT_TODO:
        raise CourseError(_not_written(catalog, demo, bytes(tail)), MENDABLE)
    if status < 0:
        raise CourseError(
            f"The demo {demo.name} was ended by {verdicts.signal_name(-status)}.{_blame(demo, solutions)}",
            MENDABLE,
        )
    if status != 0:
        raise CourseError(f"The demo {demo.name} ended with exit code {status}.", MENDABLE)
    return ALL_PASS


def _blame(demo: Demo, solutions: bool) -> str:
    return (
        "" if solutions else " `scripts/course check all --mine` tests all of your code together."
    )


def _not_written(catalog: Catalog, demo: Demo, said: bytes) -> str:
    found = _NOT_WRITTEN.findall(said)
    try:
        exercise = catalog.exercise(found[-1].decode()) if found else None
    except CourseError:
        exercise = None
    if exercise is None:
        return f"The demo {demo.name} came to an exercise that is not written yet.{_reference_offer(catalog, demo)}"
    return (
        f"The demo {demo.name} came as far as exercise {exercise.id} ({exercise.slug}), which is yours to write: "
        f"`scripts/course lesson {exercise.id}`.{_reference_offer(catalog, demo)}"
    )
