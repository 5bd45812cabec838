"""Lines of styled text, and how they reach a person: in colour on a terminal, plain elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

PLAIN_WIDTH = 80
WIDEST = 100


@dataclass(frozen=True)
class Span:
    text: str
    style: str = ""  # in rich's words: "bold red", "dim"


Line = tuple[Span, ...]


def line(*parts: str | Span) -> Line:
    return tuple(Span(part) if isinstance(part, str) else part for part in parts)


def plain(text: Line) -> str:
    return "".join(span.text for span in text)


def prose(text: str, width: int, indent: str = "", style: str = "") -> list[Line]:
    """A paragraph, wrapped. Paths, ids and commands are never broken."""
    wrapped = textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line(Span(part, style)) for part in wrapped]


def verbatim(text: str, width: int, indent: str, style: str = "") -> list[Line]:
    """Somebody else's lines, as they are; only those too long for the page are folded."""
    lines: list[Line] = []
    for raw in text.expandtabs(4).rstrip().splitlines():
        own = raw[: len(raw) - len(raw.lstrip())]
        if len(indent) + len(raw) <= width:
            lines.append(line(Span((indent + raw).rstrip(), style)))
        else:
            folded = textwrap.wrap(
                raw.strip(),
                max(width, len(indent) + len(own) + 24),
                initial_indent=indent + own,
                subsequent_indent=indent + own + "  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            lines += [line(Span(part, style)) for part in folded]
    return lines


def wants_colour(stream: TextIO) -> bool:
    return (
        stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") != "dumb"
    )


def width_of(stream: TextIO) -> int:
    if not stream.isatty():
        return PLAIN_WIDTH
    return max(40, min(WIDEST, shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns))


def unicode_of(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def write(lines: Iterable[Line], stream: TextIO | None = None) -> None:
    """Prints the lines. rich is imported only for a terminal: it costs a tenth of a second."""
    out = sys.stdout if stream is None else stream
    if not wants_colour(out):
        out.write("".join(plain(text).rstrip() + "\n" for text in lines))
        out.flush()
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False, soft_wrap=True)
    for text in lines:
        console.print(Text.assemble(*((span.text, span.style) for span in text)))
