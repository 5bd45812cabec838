"""The command line. Each command is a file of its own: commands/NAME.py with a click command named `command`.

A command is imported only when it is called, so that the answer of a quick one stays quick. Errors that a
person can act on are raised as CourseError and end here, with their exit code and without a traceback.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click

from coursekit.course.catalog import CatalogError, UnknownId
from coursekit.errors import INTERRUPTED, MACHINE, MENDABLE, USAGE, CourseError
from coursekit.telling.text import PLAIN_WIDTH, plain, prose

# In the order of a learner's day; what is not named here comes after, by name.
_ORDER = ("check", "watch", "status", "hint", "lesson", "diff", "reset", "demo", "visualize")


def command_names() -> list[str]:
    """Every file of commands/. An underscore in a file name stands for a dash."""
    folder = Path(__file__).parent / "commands"
    found = [
        path.stem.replace("_", "-") for path in folder.glob("*.py") if not path.stem.startswith("_")
    ]
    return sorted(
        found, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)
    )


class Lazy(click.Group):
    """Imports a command's file when the command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return command_names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in command_names():
            return None
        module = importlib.import_module(f"coursekit.commands.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        # Whichever command comes first: while the stubs are untouched is the time to keep a copy.
        from coursekit.course import catalog, paths, pristine

        try:
            checkout = paths.find_checkout()
            pristine.keep(checkout, catalog.load(checkout.root))
        except CourseError:
            pass  # the command itself will say so, if it minds
        return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if not name.startswith("-") and name not in command_names():
            raise CourseError(
                f"There is no command {name!r}.{_nearest(name)} `scripts/course --help` lists them.",
                USAGE,
            )
        return super().resolve_command(ctx, args)


def _nearest(name: str) -> str:
    import difflib
    import re

    if name == "all" or name.startswith("module") or re.fullmatch(r"\d+(\.\d+[a-z]?)?", name):
        return f" Did you mean `check {name}`?"
    found = difflib.get_close_matches(name, command_names(), n=1)
    return f" Did you mean `{found[0]}`?" if found else ""


@click.command(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": PLAIN_WIDTH},
    epilog="--yes, before or after the command, answers yes to every question.",
)
def group() -> None:
    """Build your own async runtime in C++20: check your work, exercise by exercise.

    Start with `scripts/course check`. It tells you what to read and what to write.
    """


class _Terminated(BaseException):
    """SIGTERM or SIGHUP: unwinds as Ctrl-C does, so that no child process stays behind."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated(number)


def _complain(message: str, detail: str = "") -> None:
    first = message.split(" ", 1)[0]
    if first.isalpha():  # a sentence; what begins with a path or an id stays as it is
        message = message[:1].upper() + message[1:]
    message += "" if message.endswith((".", "!", "?")) else "."
    for line in prose(message, PLAIN_WIDTH):
        print(plain(line), file=sys.stderr)
    if detail:
        print(detail.rstrip(), file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns the exit code: 0 fine, 1 something to fix, 2 usage, 3 the machine lacks something."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        answer = group.main(args=arguments, prog_name="scripts/course", standalone_mode=False)
        return answer if isinstance(answer, int) else 0
    except UnknownId as error:
        _complain(str(error))
        return USAGE
    except CatalogError as error:
        _complain(f"The course's own files are damaged: {error}")
        return MACHINE
    except CourseError as error:
        _complain(error.message, error.detail)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        print("\nStopped. The next run goes on from here.", file=sys.stderr)
        return INTERRUPTED
    except _Terminated as error:
        return 128 + error.number
    except BrokenPipeError:
        # Whoever read our output has gone (as `| head` does). Nothing is left to say, nor to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return MENDABLE
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _complain(f"The system refused{where}: {error.strerror or error}.")
        return MACHINE
