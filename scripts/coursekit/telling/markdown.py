"""Shows Markdown: rendered by rich in colour on a terminal, the same layout without escapes elsewhere."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from coursekit.course import lessons
from coursekit.telling import text


class _LeftHeading(Heading):
    """rich centres headings and puts the first in a box; in a terminal that reads as decoration."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        said = self.text
        said.justify = "left"
        yield said
        if self.tag in ("h1", "h2"):
            yield Text(
                ("=" if self.tag == "h1" else "-") * min(said.cell_len, options.max_width),
                style="dim",
            )


class _Code(CodeBlock):
    """Lines of code stay as they are: rich wraps them, and drops a word at the border."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        said = (
            Text(code)
            if self.lexer_name in ("", "text")
            else Syntax(code, self.lexer_name, theme=self.theme).highlight(code)
        )
        said.rstrip()
        for line in said.split("\n", allow_blank=True):
            yield Text("  ", no_wrap=True, overflow="ignore").append_text(line)


# Without rich's black background, which is a blot on a light terminal.
_THEME = Theme({"markdown.code": "bold cyan", "markdown.code_block": "cyan"})


class _Lesson(Markdown):
    elements = {
        **Markdown.elements,
        "heading_open": _LeftHeading,
        "fence": _Code,
        "code_block": _Code,
    }


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
        theme=_THEME,
    )
    # A link within the page would only show its address.
    said = lessons.unlink(source, lambda target: not target.startswith("#"))
    theme = "ansi_dark" if colour else "bw"
    for part in _parts(said):
        if isinstance(part, str):
            console.print(_Lesson(part, code_theme=theme, hyperlinks=False), crop=False)
        else:
            console.print()
            console.print(_table(part))
            console.print()
    return _tight(out.getvalue())


# The rich of Debian 12 shows a table of Markdown as one long line, so tables are taken out before it sees them.
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")


def _parts(source: str) -> Iterator[str | list[list[str]]]:
    """The text between tables, and the cells of each table: the rule, its second row, says how to align."""
    lines = list(lessons.with_fences(source.split("\n")))
    text_lines: list[str] = []
    at = 0
    while at < len(lines):
        _, line, inside = lines[at]
        following = lines[at + 1] if at + 1 < len(lines) else (0, "", True)
        if (
            not inside
            and "|" in line
            and not following[2]
            and "|" in following[1]
            and _RULE.fullmatch(following[1])
        ):
            yield "\n".join(text_lines)
            text_lines = []
            rows = []
            while at < len(lines) and not lines[at][2] and "|" in lines[at][1]:
                rows.append(_cells(lines[at][1]))
                at += 1
            yield rows
        else:
            text_lines.append(line)
            at += 1
    yield "\n".join(text_lines)


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _inline(cell: str) -> Text:
    """A cell's words: code in its colour, emphasis without its stars, links as their text."""
    said = Text()
    for piece in re.split(r"(`[^`]+`|\*\*[^*]+\*\*)", lessons.unlink(cell, lambda target: False)):
        if piece.startswith("`"):
            said.append(piece.strip("`"), "markdown.code")
        elif piece.startswith("**"):
            said.append(piece.strip("*"), "bold")
        else:
            said.append(re.sub(r"(?<!\w)\*([^*]+)\*(?!\w)", r"\1", piece))
    return said


def _table(rows: list[list[str]]) -> Table:
    head, rule, *body = rows
    table = Table(box=box.SIMPLE_HEAD, show_header=any(head), pad_edge=False, padding=(0, 1))
    for index, cell in enumerate(head):
        right = index < len(rule) and rule[index].endswith(":")
        centred = right and rule[index].startswith(":")
        table.add_column(
            _inline(cell),
            justify="center" if centred else "right" if right else "left",
            overflow="fold",
        )
    for row in body:
        table.add_row(*(_inline(cell) for cell in (row + [""] * len(head))[: len(head)]))
    return table


_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def _tight(said: str) -> str:
    """Never two empty lines in a row, and none at the top: rich is generous around code."""
    out: list[str] = []
    for line in said.splitlines():
        empty = not _ESCAPE.sub("", line).strip()
        if empty and (not out or not out[-1]):
            continue
        out.append("" if empty else line.rstrip())
    while out and not out[-1]:
        out.pop()
    return "".join(line + "\n" for line in out)


def show(source: str, *, page: bool = True, stream: TextIO | None = None) -> None:
    """Prints Markdown where stdout goes. On a terminal what is larger than the screen is paged."""
    out = sys.stdout if stream is None else stream
    said = render(source, text.width_of(out), colour=text.wants_colour(out))
    size = shutil.get_terminal_size()
    if page and out.isatty() and too_large(said, size.columns, size.lines) and paged(said):
        return
    out.write(said)
    out.flush()


def too_large(said: str, columns: int, lines: int) -> bool:
    rows = said.splitlines()
    return len(rows) >= lines or any(cell_len(_ESCAPE.sub("", row)) > columns for row in rows)


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


def coloured(lines: Iterable[text.Line], *, colour: bool) -> str:
    """Lines as text.write would print them on a terminal, for a pager to show."""
    out = io.StringIO()
    if not colour:
        text.write(lines, out)
        return out.getvalue()
    console = Console(
        file=out, force_terminal=True, color_system="standard", highlight=False, soft_wrap=True
    )
    for spans in lines:
        console.print(Text.assemble(*((span.text, span.style) for span in spans)))
    return out.getvalue()


def paged(said: str, *, stay: bool = False) -> bool:
    """Shows the text in a pager; False when there is none. `stay`: a short text does not end it at once."""
    command = pager()
    if not command:
        return False
    # -R is what lets colours through; a less that was asked for by name may have no options at all.
    # -S: a picture wider than the screen is moved with the arrow keys, not broken.
    options = os.environ.get("LESS", "") + " -R -S" + (" -+F -+E -+e" if stay else "")
    environment = {**os.environ, "LESS": options.strip(), "LESSCHARSET": "utf-8"}
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
