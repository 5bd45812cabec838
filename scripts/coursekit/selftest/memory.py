"""What has been proved of this checkout, so that a second run need not prove it again.

A part is proved by the content of the files it reads, by the compilers and by the Python that runs
it. Only a part that passed as a whole, of the whole course, is remembered.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from coursekit.building import compilers
from coursekit.course.paths import Checkout

_MEMORY = "selftest-proved.json"
_NOT_OURS = {"build", "node_modules", "__pycache__"}
_PROSE = (".md",)


@dataclass(frozen=True)
class Proof:
    passed: int  # how many things were looked at
    when: str  # "10:32", or with its date if that is another


class Memory:
    def __init__(self, checkout: Checkout) -> None:
        self._file = checkout.builds / _MEMORY
        self._root = checkout.root
        self._now = _state(checkout.root)
        self._known = self._read()

    def recall(self, part: str, reads: str) -> Proof | None:
        """The proof of a part, if nothing that it reads has changed since."""
        said = self._known.get(part)
        if not isinstance(said, dict) or said.get("of") != self._now[reads]:
            return None
        then = time.localtime(float(said["at"]))
        form = "%H:%M" if then[:3] == time.localtime()[:3] else "%Y-%m-%d %H:%M"
        return Proof(int(said["passed"]), time.strftime(form, then))

    def keep(self, part: str, reads: str, passed: int) -> None:
        """It passed. What was changed meanwhile may have been read before or after."""
        if _state(self._root)[reads] != self._now[reads]:
            return
        self._known[part] = {"of": self._now[reads], "at": time.time(), "passed": passed}
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self._known), "utf-8")
        except OSError:
            pass  # the next run proves it again

    def _read(self) -> dict[str, object]:
        try:
            known = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def _state(root: Path) -> dict[str, str]:
    """By what a part may read."""
    whole, code = digests(root)
    versions = json.dumps([compilers.identities(""), compilers.identities("g++"), sys.version])
    return {"everything": f"{whole} {versions}", "code": f"{code} {versions}"}


def digests(root: Path) -> tuple[str, str]:
    """Of all files of the checkout, and of those that are not prose."""
    everything, code = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
    for folder, folders, names in os.walk(root):
        # .git, .course: what is there changes without the course.
        hidden = {
            name for name in folders if name.startswith(".") and name not in (".ci", ".github")
        }
        folders[:] = sorted(set(folders) - hidden - _NOT_OURS)
        for name in sorted(names):
            path = Path(folder, name)
            try:
                content = path.read_bytes()
            except OSError:
                content = b""
            # An executable bit lost is a script that does not run.
            runs = os.access(path, os.X_OK)
            entry = f"{path.relative_to(root)}\0{runs}\0{len(content)}\0".encode() + content
            everything.update(entry)
            if not name.endswith(_PROSE):
                code.update(entry)
    return everything.hexdigest(), code.hexdigest()
