"""The visualizer's page: with a trace in it, as a file or served to this machine's browser."""

from __future__ import annotations

import html
import webbrowser
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from coursekit.errors import MACHINE, MENDABLE, USAGE, CourseError

_MOST_BYTES = 128 * 1024 * 1024  # as in the page: src/trace/read.ts
_GZIP = b"\x1f\x8b"
_PLACE = "<!--TRACE-->"


def text_of(path: Path) -> str:
    """What a trace file holds, also one packed by gzip. A packed file that was cut off gives what it has."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.", USAGE) from error
    if data.startswith(_GZIP):
        try:
            data = zlib.decompressobj(wbits=31).decompress(data, _MOST_BYTES + 1)
        except zlib.error as error:
            raise CourseError(
                f"{path} is no gzip file, though it begins like one.", USAGE
            ) from error
    if len(data) > _MOST_BYTES:
        raise CourseError(
            f"{path} holds more than {_MOST_BYTES // 1024 // 1024} MB. Record less of the run.",
            MENDABLE,
        )
    return data.decode("utf-8", "replace")


def made(root: Path, trace: tuple[str, str] | None, about: str = "") -> str:
    """The page; `trace`: a name and the text of a file that it shows when it is opened."""
    path = root / "scripts" / "visualizer" / "visualizer.html"
    try:
        page = path.read_text("utf-8")
    except OSError as error:
        raise CourseError(
            f"{path} is missing: this copy of the course has no page.", MACHINE
        ) from error
    if trace is None:
        return page
    name, text = trace
    # In JSON a < stands in strings only. Written so, nothing in it can end the script.
    safe = text.replace("<", "\\u003c")
    inside = (
        f'<script type="text/plain" id="trace" data-name="{html.escape(name)}" '
        f'data-about="{html.escape(about)}">{safe}</script>'
    )
    return page.replace(_PLACE, inside, 1)


def serve(
    page: str, port: int, no_browser: bool, say: Callable[[str], None], fragment: str = ""
) -> None:
    """Gives the page to this machine, and to no other, until Ctrl-C."""
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler(page.encode()))
    except OSError as error:
        raise CourseError(
            f"Port {port} of 127.0.0.1 cannot be used: {error.strerror}. Without --port a free one is found.",
            MACHINE,
        ) from error
    with server:
        address = f"http://127.0.0.1:{server.server_address[1]}/{fragment}"
        say(f"The page is at {address} (Ctrl-C ends this).")
        if not no_browser and not webbrowser.open(address):
            say("No browser could be opened: open that address in one.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")


def _handler(content: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.split("?")[0] != "/":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Who asked for what is of no interest here."""

    return Handler
