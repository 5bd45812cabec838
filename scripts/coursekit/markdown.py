"""Shows Markdown: rendered by rich in colour on a terminal, the same layout without escapes elsewhere."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Heading, Markdown
from rich.text import Text

from coursekit import text


class _LeftHeading(Heading):
    """rich centres headings and puts the first in a box; in a terminal that reads as decoration."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        said = self.text
        said.justify = "left"
        yield Text("") if self.tag != "h1" else Text("", end="")
        yield said
        if self.tag in ("h1", "h2"):
            yield Text(("=" if self.tag == "h1" else "-") * min(said.cell_len, options.max_width), style="dim")


class _Lesson(Markdown):
    elements = {**Markdown.elements, "heading_open": _LeftHeading}


def render(source: str, width: int, *, colour: bool) -> str:
    """What is to be printed, with escapes only when colour is wanted."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        legacy_windows=False,
    )
    console.print(_Lesson(source, code_theme="ansi_dark" if colour else "bw", hyperlinks=False))
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


def show(source: str, *, page: bool = True, stream: TextIO | None = None) -> None:
    """Prints Markdown where stdout goes. On a terminal a text longer than the screen is paged."""
    out = sys.stdout if stream is None else stream
    said = render(source, text.width_of(out), colour=text.wants_colour(out))
    if page and out.isatty() and too_long(said, shutil.get_terminal_size().lines) and paged(said):
        return
    out.write(said)
    out.flush()


def too_long(said: str, lines: int) -> bool:
    return said.count("\n") >= lines


def pager() -> list[str]:
    """$PAGER, else less. Empty if there is none, or it is switched off."""
    asked = os.environ.get("PAGER")
    try:
        command = shlex.split(asked) if asked is not None else ["less", "-R"]
    except ValueError:
        command = ["less", "-R"]
    if not command or command == ["cat"] or shutil.which(command[0]) is None:
        return []
    return command


def paged(said: str) -> bool:
    """Shows the text in a pager; False when there is none."""
    command = pager()
    if not command:
        return False
    # -R is what lets colours through; a less that was asked for by name may have no options at all.
    environment = {**os.environ, "LESS": os.environ.get("LESS", "") + " -R", "LESSCHARSET": "utf-8"}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    except OSError:
        return False
    assert process.stdin is not None
    try:
        process.stdin.write(said.encode("utf-8", "replace"))
        process.stdin.close()
    except BrokenPipeError:
        pass  # left before the end was read
    while True:
        try:
            process.wait()
            return True
        except KeyboardInterrupt:
            continue  # Ctrl-C belongs to the pager
