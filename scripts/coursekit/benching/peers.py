"""Who is measured: what each needs on this machine, and how its program is built.

Peers are other people's libraries, out of the distribution's packages. Nothing else in the course
needs them, so what is missing is named, and left out of the table.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coursekit.building import build, compilers, doctor
from coursekit.building.compiler import NinjaReader, first_error
from coursekit.course.paths import Checkout
from coursekit.errors import USAGE, CourseError
from coursekit.testing import processes

REGISTRY = Path("/usr/share/cargo/registry")  # where Debian puts the sources of crates


@dataclass(frozen=True)
class Peer:
    name: str
    packages: tuple[str, ...] = ()  # to install; the first says the version
    needs: tuple[str, ...] = ()  # files: a pattern, of which one has to be there
    crate: bool = False  # built by cargo, of scripts/bench/rust/NAME
    subject: str = ""  # a runtime of the course: solutions or learner
    target: str = ""  # of CMake, if it is not the name

    @property
    def binary(self) -> str:
        return f"bench-{self.name}" if self.crate else self.target or self.name


def _crate(name: str) -> Peer:
    return Peer(
        name,
        (f"librust-{name}-dev", "cargo", "rustc"),
        (str(REGISTRY / f"{name}-[0-9]*"), "/usr/bin/cargo", "/usr/bin/rustc"),
        crate=True,
    )


OURS = Peer("ours", subject="solutions")
MINE = Peer("mine", subject="learner", target="ours")
POOL = Peer("pool", subject="solutions")
FLOOR = Peer("floor")
PEERS: tuple[Peer, ...] = (
    _crate("tokio"),
    _crate("smol"),
    _crate("async-std"),
    Peer("asio", ("libasio-dev",), ("/usr/include/asio.hpp",)),
    Peer("libuv", ("libuv1-dev",), ("/usr/include/uv.h",)),
    Peer("tbb", ("libtbb-dev",), ("/usr/include/oneapi/tbb.h",)),
    FLOOR,
)


def choose(names: str) -> tuple[Peer, ...]:
    """Those named, with commas between; all if there is no name."""
    asked = [name.strip() for name in names.split(",") if name.strip()]
    known = {peer.name: peer for peer in (*PEERS, POOL)}
    for name in asked:
        if name not in known:
            raise CourseError(
                f"There is no peer {name!r} to measure against. There are: {', '.join(known)}.",
                USAGE,
            )
    return tuple(known[name] for name in dict.fromkeys(asked)) or PEERS


def missing(peer: Peer) -> str:
    """What this machine lacks for the peer, as a sentence; empty when all is there."""
    lacks = [need for need in peer.needs if not any(Path("/").glob(need.removeprefix("/")))]
    if not lacks:
        return ""
    return f"it is not installed. {doctor.install(*peer.packages)} gets it."


def version(peer: Peer) -> str:
    """The package's, without what the distribution has added: 1.24.2."""
    if not peer.packages or shutil.which("dpkg-query") is None:
        return ""
    answer = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", peer.packages[0]],
        capture_output=True,
        text=True,
        check=False,
    )
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", answer.stdout)
    return match[1] if match and answer.returncode == 0 else ""


# ---- building -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shop:
    """Where programs are built."""

    checkout: Checkout
    progress: Callable[[str, int, int], None]
    jobs: int

    @property
    def folder(self) -> Path:
        return self.checkout.builds / "bench"

    def cmake(self, subject: str) -> Path:
        return self.folder / (subject or "solutions")


class NotBuilt(Exception):
    """Why there is no program: one line."""


def build_all(shop: Shop, peers: Sequence[Peer]) -> tuple[dict[str, Path], dict[str, str]]:
    """The programs that there are now, and why there is none of the others. Both by the peer's name;
    the load for the echo servers is under "load".
    """
    programs: dict[str, Path] = {}
    without: dict[str, str] = {}
    for subject in ("solutions", "learner"):
        found = [
            peer for peer in peers if not peer.crate and (peer.subject or "solutions") == subject
        ]
        if subject == "solutions":
            found.append(Peer("load"))
        if not found:
            continue
        broken = build_cxx(shop, subject, [peer.binary for peer in found])
        for peer in found:
            if peer.binary in broken:
                without[peer.name] = f"its program does not compile: {broken[peer.binary]}"
            else:
                programs[peer.name] = shop.cmake(subject) / peer.binary
    for peer in peers:
        if not peer.crate:
            continue
        try:
            programs[peer.name] = build_crate(shop, peer)
        except NotBuilt as error:
            without[peer.name] = f"its program does not compile: {error}"
    return programs, without


def build_cxx(shop: Shop, subject: str, targets: Sequence[str]) -> Mapping[str, str]:
    """Builds the targets, and returns the first error of each that could not be."""
    folder = shop.cmake(subject)
    shop.progress("configuring the benchmarks", 0, 0)
    status, said = _run(
        [
            build.tool("cmake"),
            "-S",
            str(shop.checkout.root / "scripts/bench"),
            "-B",
            str(folder),
            "-G",
            "Ninja",
            "-Wno-dev",
            f"-DRT_SUBJECT={subject}",
            f"-DCMAKE_CXX_COMPILER={compilers.find_for_speed()}",
        ]
    )
    if status != 0:
        raise build.configure_error(said)
    broken: dict[str, str] = {}
    for number, target in enumerate(targets, 1):
        shop.progress(f"building {target}", number, len(targets))
        status, said = _run([build.tool("ninja"), "-C", str(folder), "-j", str(shop.jobs), target])
        if status == 0:
            continue
        reader = NinjaReader(lambda done, total, what: None)
        for raw in said.splitlines():
            reader.feed(raw)
        reader.finish()
        failed = [edge for edge in reader.edges if edge.failed]
        last = (said.strip().splitlines() or ["no reason given"])[-1]
        broken[target] = first_error(failed).message if failed else last
    return broken


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Runs a tool in a session of its own, so that its compilers end with us."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment or build.build_environment(),
        start_new_session=True,
    )
    try:
        out, _ = process.communicate()
    finally:
        if process.poll() is None:
            processes.end(process)
    return process.returncode, out.decode("utf-8", "replace")


def build_crate(shop: Shop, peer: Peer) -> Path:
    """By the distribution's cargo and rustc, from the distribution's sources, without a network. In a
    copy, since cargo writes a lock file, which differs from one distribution to the next.
    """
    source, copy = shop.checkout.root / "scripts/bench/rust", shop.folder / "rust"
    refresh(source, copy)
    shop.progress(f"building {peer.name}, which takes a minute or two the first time", 0, 0)
    status, said = _run(
        cargo(copy / peer.name / "Cargo.toml", shop.folder / "cargo", shop.jobs),
        cargo_environment(shop.folder / "cargo-home"),
    )
    if status != 0:
        raise NotBuilt(cargo_error(said))
    return shop.folder / "cargo/release" / peer.binary


def refresh(source: Path, copy: Path) -> None:
    """Copies what has changed. Cargo looks at times, so what has not keeps its own."""
    for path in sorted(source.rglob("*")):
        target = copy / path.relative_to(source)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif not target.exists() or target.read_bytes() != path.read_bytes():
            shutil.copyfile(path, target)


def cargo(manifest: Path, target: Path, jobs: int) -> list[str]:
    return [
        "/usr/bin/cargo",
        "build",
        "--release",
        "--offline",
        "--quiet",
        "--jobs",
        str(jobs),
        "--manifest-path",
        str(manifest),
        "--target-dir",
        str(target),
        "--config",
        'source.crates-io.replace-with="distribution"',
        "--config",
        f'source.distribution.directory="{REGISTRY}"',
    ]


def cargo_environment(home: Path) -> dict[str, str]:
    """Without what the user has set up for cargo: another compiler, another registry."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("CARGO", "RUST")) or key == "RUST_BACKTRACE"
    }
    return {**kept, "CARGO_HOME": str(home), "RUSTC": "/usr/bin/rustc"}


def cargo_error(said: str) -> str:
    match = re.search(r"^error(?:\[\w+\])?: (.+)$", said, re.MULTILINE)
    return match[1] if match else (said.strip().splitlines() or ["no reason given"])[-1]
