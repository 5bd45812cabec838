"""course visualize: the page with a trace in it, as a file and served."""

from __future__ import annotations

import gzip
import threading
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from coursekit.errors import CourseError
from coursekit.telling import page


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts" / "visualizer"
    folder.mkdir(parents=True)
    (folder / "visualizer.html").write_text("<body><!--TRACE--><script>1</script></body>", "utf-8")
    return tmp_path


def test_a_trace_stands_in_the_page_and_cannot_end_its_script(root: Path) -> None:
    made = page.made(root, ('a"b', '["</script><!--"]'), "it <stopped>")
    assert 'data-name="a&quot;b"' in made and "&lt;stopped&gt;" in made
    assert made.count("</script>") == 2 and '["\\u003c/script>\\u003c!--"]' in made


def test_without_a_trace_the_page_is_as_it_is(root: Path) -> None:
    assert "<!--TRACE-->" in page.made(root, None)


def test_a_packed_trace_is_read_also_when_it_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "t.json.gz"
    whole = gzip.compress("".join(f"line {i}\n" for i in range(100_000)).encode())
    path.write_bytes(whole)
    assert page.text_of(path).endswith("line 99999\n")
    path.write_bytes(whole[: len(whole) // 2])
    assert page.text_of(path).startswith("line 0\nline 1\n")


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CourseError, match="No such file"):
        page.text_of(tmp_path / "none.json")
    monkeypatch.setattr(page, "_MOST_BYTES", 1024 * 1024)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(3 * 1024 * 1024)))
    with pytest.raises(CourseError, match="more than 1 MB"):
        page.text_of(bomb)


def test_it_is_served_to_this_machine_on_a_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    is_up = threading.Event()
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    servers: list[ThreadingHTTPServer] = []
    serve_forever = ThreadingHTTPServer.serve_forever

    def start(self: ThreadingHTTPServer, poll_interval: float = 0.5) -> None:
        servers.append(self)
        is_up.set()
        serve_forever(self, 0.01)

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", start)
    thread = threading.Thread(target=page.serve, args=("<p>hello", 0, False, said.append))
    thread.start()
    assert is_up.wait(10)
    address = said[0].split()[4]
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.read() == b"<p>hello"
    with pytest.raises(CourseError, match="cannot be used"):
        page.serve("", int(address.rstrip("/").rsplit(":", 1)[1]), True, said.append)
    servers[0].shutdown()
    thread.join(10)
    assert "No browser could be opened" in said[1]
