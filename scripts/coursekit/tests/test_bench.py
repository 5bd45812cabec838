"""course bench: the arithmetic, the table, the charts, whose turn it is, and what programs say."""

from __future__ import annotations

import itertools
import json
import math
import xml.etree.ElementTree
from collections.abc import Sequence
from pathlib import Path

import pytest

from coursekit import cli
from coursekit.benching import charts, figures, peers, programs, rounds, table, workloads
from coursekit.benching.figures import Result, Samples, Spread
from coursekit.benching.rounds import Answer, Failure
from coursekit.benching.workloads import Metric, Workload
from coursekit.errors import CourseError
from coursekit.selftest import benches
from coursekit.telling import text
from coursekit.tests import faketree

SPAWN = Workload(
    "spawn", (Metric("spawn", "spawn", "spawn + join", "ns", "lower", 0.6),), 1_000, 100, 10
)
CHANNEL = Workload(
    "channel", (Metric("channel", "channel", "channel", "M/s", "higher", 2.0),), 1_000, 100, 10
)
ECHO = Workload(
    "echo-50",
    (
        Metric("rate", "echo-50-rate", "echo 50: rate", "1/s", "higher"),
        Metric("p99", "echo-50-p99", "echo 50: p99", "ms", "lower", 0.3),
    ),
    2_000,
    400,
    40,
    50,
    "busy",
    "echo",
)


def result(workload: Workload, row: int = 0, /, **medians: float) -> Result:
    return Result(
        workload.metrics[row],
        {peer.replace("_", "-"): Spread(m * 0.9, m, m * 1.2) for peer, m in medians.items()},
    )


def shown(lines: Sequence[text.Line]) -> list[str]:
    return [text.plain(line).rstrip() for line in lines]


# ---- figures ------------------------------------------------------------------------------------


def test_a_median_is_not_moved_by_one_bad_round() -> None:
    assert figures.spread([3.0, 1.0, 1000.0]) == Spread(1.0, 3.0, 1000.0)
    assert figures.spread([4.0, 2.0]).median == 3.0
    assert figures.spread([7.0]) == Spread(7.0, 7.0, 7.0)


def test_numbers_come_in_the_order_of_workloads_and_peers() -> None:
    samples = Samples()
    samples.add(CHANNEL, "tokio", {"channel": 10})
    samples.add(SPAWN, "tokio", {"spawn": 300, "warmth": 4})
    samples.add(SPAWN, "ours", {"spawn": 200})
    samples.add(SPAWN, "ours", {"spawn": 100})
    samples.add(SPAWN, "ours", {"spawn": math.nan})
    found = figures.results(samples, (SPAWN, ECHO, CHANNEL), ("ours", "tokio", "smol"))
    assert [r.metric.name for r in found] == ["spawn", "channel"]
    assert list(found[0].values) == ["ours", "tokio"]
    assert found[0].values["ours"].median == 150
    assert found[0].ratio("ours") == 0.5


def test_a_ratio_needs_both_and_a_divisor() -> None:
    assert result(SPAWN, ours=1.0).ratio("ours") is None
    assert result(SPAWN, tokio=1.0).ratio("ours") is None
    assert result(SPAWN, ours=1.0, tokio=0.0).ratio("ours") is None
    assert result(SPAWN, mine=1.0, tokio=4.0).ratio("mine") == 0.25


@pytest.mark.parametrize(
    ("workload", "ours", "met"),
    [(SPAWN, 60, True), (SPAWN, 61, False), (CHANNEL, 200, True), (CHANNEL, 199, False)],
)
def test_a_goal_is_met_on_the_better_side(workload: Workload, ours: float, met: bool) -> None:
    assert result(workload, ours=ours, tokio=100).meets_goal("ours") is met


def test_without_a_goal_none_is_met() -> None:
    assert result(ECHO, 0, ours=1, tokio=1).meets_goal("ours") is None
    assert result(SPAWN, ours=1).meets_goal("ours") is None


def test_the_json_object_is_exactly_this() -> None:
    found = (result(SPAWN, ours=123.456789, tokio=300), result(CHANNEL, ours=31, floor=9))
    assert figures.as_object("2 × a CPU", found, "ours") == {
        "machine": "2 × a CPU",
        "results": [
            {
                "workload": "spawn",
                "unit": "ns",
                "better": "lower",
                "values": {"ours": 123.457, "tokio": 300},
                "ratio_to_tokio": 0.4115,
            },
            {
                "workload": "channel",
                "unit": "M/s",
                "better": "higher",
                "values": {"ours": 31, "floor": 9},
                "ratio_to_tokio": None,
            },
        ],
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0.00"),
        (0.123, "0.12"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (99.94, "99.9"),
        (99.96, "100"),
        (1374.4, "1,374"),
        (99_999, "99,999"),
        (99_999.6, "100k"),
        (278_123, "278k"),
        (1_234_567, "1.23M"),
    ],
)
def test_numbers_are_short(value: float, said: str) -> None:
    assert figures.number(value) == said and len(said) <= 6


# ---- the table ----------------------------------------------------------------------------------

EVERYBODY = ("ours", "tokio", "smol", "async-std", "asio", "libuv", "tbb", "floor")


def test_the_table() -> None:
    found = (
        result(SPAWN, ours=150, tokio=300, asio=1234.5),
        result(CHANNEL, ours=31, tokio=10, asio=2),
        result(ECHO, 0, ours=278_000, tokio=275_000),
    )
    assert shown(table.lines(found, ("ours", "tokio", "asio"), "ours", 80)) == [
        "",
        "                   ours  tokio  ratio    goal   asio",
        "spawn + join  ns    150    300   0.50  <=0.60  1,234",
        "channel       M/s  31.0   10.0   3.10  >=2.00   2.00",
        "echo 50: rate 1/s  278k   275k   1.01",
    ]


def test_it_is_folded_at_the_end_of_the_page() -> None:
    found = (
        result(SPAWN, **{peer.replace("-", "_"): 12_345.0 for peer in EVERYBODY}),
        result(ECHO, 1, ours=1, tokio=2),
    )
    lines = shown(table.lines(found, EVERYBODY, "ours", 60))
    assert all(len(line) <= 60 for line in lines)
    heads = [line.split() for line in lines if line and line[0] == " "]
    assert list(itertools.chain(*heads)) == ["ours", "tokio", "ratio", "goal", *EVERYBODY[2:]]
    # A part has only the rows that say something in it.
    assert sum(line.startswith("echo") for line in lines) == 1
    assert sum(line.startswith("spawn") for line in lines) == len(heads) > 1


def test_all_of_it_fits_on_a_page() -> None:
    found = tuple(
        Result(metric, {peer: Spread(1, 123_456.0, 1e9) for peer in ("mine", *EVERYBODY)})
        for workload in workloads.WORKLOADS
        for metric in workload.metrics
    )
    lines = shown(table.lines(found, ("mine", *EVERYBODY), "ours", 80))
    assert max(len(line) for line in lines) <= 80


def test_without_tokio_nothing_is_compared() -> None:
    lines = shown(table.lines((result(SPAWN, ours=1, floor=2),), ("ours", "floor"), "ours", 80))
    assert lines[1].split() == ["ours", "floor"]


def test_a_goal_that_is_met_is_green_and_one_that_is_not_is_red() -> None:
    found = (result(SPAWN, ours=1, tokio=2), result(CHANNEL, ours=1, tokio=2))
    styles = {s.style for line in table.lines(found, ("ours", "tokio"), "ours", 80) for s in line}
    assert {"green", "red"} <= styles


def test_who_is_missing_is_named() -> None:
    said = shown(table.notes({"tokio": "it is not installed."}, ["smol failed"], ["skynet"], 80))
    assert said[:3] == ["", "Without tokio: it is not installed.", "smol failed"]
    assert "skynet" in said[3] and table.notes({}, [], [], 80) == []


# ---- charts -------------------------------------------------------------------------------------


def test_the_charts_are_svg(tmp_path: Path) -> None:
    found = (result(SPAWN, ours=150, tokio=300), result(ECHO, 1, ours=5), result(CHANNEL, ours=0))
    written = charts.write(tmp_path / "charts", found, "ours", "2 × <a & b>")
    assert [p.name for p in written] == [
        "ratios.svg",
        "spawn.svg",
        "echo-50-p99.svg",
        "channel.svg",
    ]
    for path in written:
        root = xml.etree.ElementTree.parse(path).getroot()
        assert root.tag.endswith("svg")
        assert any(e.text == "2 × <a & b>" for e in root.iter())


def test_a_bar_is_as_long_as_its_number() -> None:
    root = xml.etree.ElementTree.fromstring(
        charts.bars(result(SPAWN, ours=100, tokio=200), "ours", "")
    )
    _, ours, tokio = (float(e.attrib["width"]) for e in root.iter() if e.tag.endswith("rect"))
    assert tokio == pytest.approx(2 * ours, rel=0.01)


def test_twice_as_good_lies_left_of_the_line_whatever_the_unit() -> None:
    def edge(found: Result) -> tuple[float, float]:
        root = xml.etree.ElementTree.fromstring(charts.ratios([found], "ours", ""))
        _, bar = (e for e in root.iter() if e.tag.endswith("rect"))
        middle = next(e for e in root.iter() if e.tag.endswith("line"))
        return float(bar.attrib["x"]), float(middle.attrib["x1"])

    for better in (result(SPAWN, ours=1, tokio=2), result(CHANNEL, ours=2, tokio=1)):
        bar, line = edge(better)
        assert bar < line
    for worse in (result(SPAWN, ours=2, tokio=1), result(CHANNEL, ours=1, tokio=2)):
        bar, line = edge(worse)
        assert bar == line


def test_nothing_to_compare_has_no_picture_of_ratios(tmp_path: Path) -> None:
    assert [p.name for p in charts.write(tmp_path, [result(SPAWN, ours=1)], "ours", "")] == [
        "spawn.svg"
    ]


# ---- rounds -------------------------------------------------------------------------------------


class Programs:
    """Stands in for the programs: notes who was run, and says what it is told to say."""

    def __init__(self, answers: dict[tuple[str, str], Answer] | None = None) -> None:
        self.turns: list[str] = []
        self._answers = answers or {}

    def run(self, peer: str, workload: Workload) -> Answer:
        self.turns.append(f"{workload.name} {peer}")
        return self._answers.get((peer, workload.name), {m.key: 1.0 for m in workload.metrics})

    def measure(
        self, chosen: Sequence[Workload], names: Sequence[str], count: int, seconds: float = 1e9
    ) -> rounds.Measured:
        clock = itertools.count()
        return rounds.measure(
            chosen,
            names,
            lambda peer, workload: not (peer == "tbb" and workload is not SPAWN),
            self.run,
            rounds=count,
            seconds_left=lambda: seconds - next(clock),
            progress=lambda what, done, total: None,
        )


def test_rounds_are_interleaved_and_each_begins_with_another() -> None:
    stand_in = Programs()
    measured = stand_in.measure((SPAWN, CHANNEL), ("ours", "tokio", "tbb"), 2)
    assert stand_in.turns == [
        "spawn ours", "spawn tokio", "spawn tbb", "channel ours", "channel tokio",
        "spawn tokio", "spawn tbb", "spawn ours", "channel tokio", "channel ours",
    ]  # fmt: skip
    assert measured.rounds == 2 and measured.samples.by_metric["spawn"]["ours"] == [1.0, 1.0]


def test_who_fails_is_named_once_and_not_asked_again() -> None:
    stand_in = Programs({("smol", "spawn"): Failure("it ended by SIGSEGV")})
    measured = stand_in.measure((SPAWN,), ("ours", "smol"), 3)
    assert stand_in.turns.count("spawn smol") == 1 and stand_in.turns.count("spawn ours") == 3
    assert measured.problems == ["smol has no number for spawn: it ended by SIGSEGV"]


def test_when_time_is_up_the_first_round_leaves_things_out() -> None:
    measured = Programs().measure((SPAWN, CHANNEL, ECHO), ("ours",), 3, seconds=2)
    assert measured.left_out == ["echo-50"] and set(measured.samples.by_metric) == {
        "spawn",
        "channel",
    }


def test_when_time_is_up_the_next_peer_is_not_begun() -> None:
    stand_in = Programs()
    measured = stand_in.measure((SPAWN, CHANNEL), ("ours", "tokio"), 3, seconds=1)
    assert stand_in.turns == ["spawn ours"] and measured.left_out == ["spawn", "channel"]


def test_when_time_is_up_later_rounds_end() -> None:
    stand_in = Programs()
    measured = stand_in.measure((SPAWN, CHANNEL), ("ours",), 9, seconds=3)
    assert stand_in.turns == ["spawn ours", "channel ours", "spawn ours"]
    assert measured.left_out == [] and measured.rounds == 1


def test_nobody_has_it() -> None:
    assert Programs().measure((CHANNEL,), ("tbb",), 2).samples.by_metric == {}


# ---- programs -----------------------------------------------------------------------------------


def test_how_a_program_is_called() -> None:
    ours, load = Path("/b/ours"), Path("/b/load")
    assert programs.command(ours, load, SPAWN, 2, "quick") == ("/b/ours", "spawn", "100", "2")
    assert programs.command(ours, load, ECHO, 2, "full") == (
        "/b/load", "busy", "50", "2000", "--", "/b/ours", "echo", "0", "2",
    )  # fmt: skip
    assert programs.command(ours, load, ECHO, 2, "tiny")[2:4] == ("10", "40")


@pytest.mark.parametrize(
    ("status", "out", "err", "why"),
    [
        (42, "", "exercise 3.3 is not written yet\n", "exercise 3.3 is not written yet"),
        (42, "", "", "it is not written"),
        (1, "", "first\nbind: no\n", "it ended with 1: bind: no"),
        (-11, "", "", "it ended by SIGSEGV"),
        (0, "hello\n", "", "it said 'hello', which is no line of JSON"),
        (0, "", "", "it said '', which is no line of JSON"),
        (0, "[1]\n", "", "it said '[1]', which is no line of JSON"),
        (0, '{"spawn": "x"}', "", 'it said \'{"spawn": "x"}\', which is no line of JSON'),
        (0, '{"spawn": NaN}', "", "it measured something that is no number"),
    ],
)
def test_what_goes_wrong_is_said(status: int, out: str, err: str, why: str) -> None:
    assert programs.read(status, out, err) == Failure(why)


def test_the_last_line_counts() -> None:
    assert programs.read(0, 'starting\n{"spawn": 12, "x": 1.5}\n', "") == {"spawn": 12.0, "x": 1.5}


def _script(folder: Path, body: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    path.chmod(0o755)
    return path


def test_a_program_is_run(tmp_path: Path) -> None:
    path = _script(tmp_path, 'echo "{\\"spawn\\": $2}"')
    assert programs.run([str(path), "spawn", "7"], 60) == {"spawn": 7.0}
    missing = programs.run([str(tmp_path / "none")], 60)
    assert isinstance(missing, Failure) and "cannot be started" in missing.why


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    path = _script(tmp_path, "sleep 1000")
    assert programs.run([str(path)], seconds=0.2) == Failure("it did not end within 0 s")


def test_what_a_program_has(tmp_path: Path) -> None:
    assert programs.has(_script(tmp_path, "printf 'spawn\\necho\\n'")) == {"spawn", "echo"}
    assert programs.has(tmp_path / "none") == frozenset()


# ---- workloads and peers ------------------------------------------------------------------------


def test_names_are_unique() -> None:
    names = [m.name for w in workloads.WORKLOADS for m in w.metrics]
    assert len(names) == len(set(names))
    assert len({w.name for w in workloads.WORKLOADS}) == len(workloads.WORKLOADS)


def test_each_workload_is_described_where_the_programs_are() -> None:
    root = Path(__file__).parents[3]
    described = (root / "scripts/bench/common/program.h").read_text("utf-8")
    for workload in workloads.WORKLOADS:
        assert f"//   {workload.asks_for} " in described, workload.name


def test_workloads_are_chosen_by_several_names() -> None:
    def names(*asked: str) -> list[str]:
        return [w.name for w in workloads.choose(asked)]

    assert names() == [w.name for w in workloads.WORKLOADS]
    assert names("skynet", "spawn") == ["spawn", "skynet"]
    assert names("timer-bytes") == ["timer"]
    assert names("echo") == ["echo-50", "echo-1000", "echo-9500"]
    assert names("yield") == ["yield-one", "yield-many"]
    with pytest.raises(CourseError, match="no workload 'spwan'"):
        names("spwan")


def test_peers_are_chosen_by_name() -> None:
    assert [p.name for p in peers.choose("")] == [p.name for p in peers.PEERS]
    assert [p.name for p in peers.choose("asio, tokio,asio,pool")] == ["asio", "tokio", "pool"]
    with pytest.raises(CourseError, match="no peer 'go'"):
        peers.choose("tokio,go")


def test_a_peer_that_is_not_installed_says_how_to_get_it(tmp_path: Path) -> None:
    lacking = peers.Peer("zig", ("libzig-dev", "zig"), (str(tmp_path / "zig-[0-9]*"),))
    assert "libzig-dev zig" in peers.missing(lacking)
    (tmp_path / "zig-1.0").touch()
    assert peers.missing(lacking) == "" and peers.missing(peers.FLOOR) == ""


def test_cargo_is_the_distributions_and_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSTFLAGS", "-C target-cpu=native")
    monkeypatch.setenv("CARGO_REGISTRIES_MINE_INDEX", "x")
    environment = peers.cargo_environment(Path("/h"))
    assert "RUSTFLAGS" not in environment and "CARGO_REGISTRIES_MINE_INDEX" not in environment
    assert environment["CARGO_HOME"] == "/h"
    line = peers.cargo(Path("/c/Cargo.toml"), Path("/t"), 1)
    assert line[0] == "/usr/bin/cargo" and "--offline" in line


def test_what_has_not_changed_keeps_its_time(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    (source / "a").mkdir(parents=True)
    (source / "a/main.rs").write_text("one", "utf-8")
    (source / "b.rs").write_text("two", "utf-8")
    peers.refresh(source, copy)
    (copy / "a/Cargo.lock").write_text("lock", "utf-8")
    before = (copy / "b.rs").stat().st_mtime_ns
    (source / "a/main.rs").write_text("new", "utf-8")
    peers.refresh(source, copy)
    assert (copy / "a/main.rs").read_text("utf-8") == "new"
    assert (copy / "b.rs").stat().st_mtime_ns == before and (copy / "a/Cargo.lock").exists()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("warning: x\nerror[E0433]: failed to resolve\n --> a", "failed to resolve"),
        (
            "error: no matching package named `tokio` found",
            "no matching package named `tokio` found",
        ),
        ("killed", "killed"),
        ("", "no reason given"),
    ],
)
def test_cargos_first_error_is_shown(said: str, error: str) -> None:
    assert peers.cargo_error(said) == error


# ---- the command --------------------------------------------------------------------------------


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """No program is built nor run: ours takes 1 of everything, and Tokio 2."""
    faketree.use(faketree.make(tmp_path / "the course"), monkeypatch)
    built: list[list[str]] = []

    def build_all(
        shop: peers.Shop, wanted: Sequence[peers.Peer]
    ) -> tuple[dict[str, Path], dict[str, str]]:
        built.append([peer.name for peer in wanted])
        found = {peer.name: Path(f"/b/{peer.name}") for peer in wanted if peer.name != "smol"}
        return {**found, "load": Path("/b/load")}, {"smol": "its program does not compile: no"}

    monkeypatch.setattr(peers, "build_all", build_all)
    monkeypatch.setattr(peers, "missing", lambda peer: "gone." if peer.name == "asio" else "")
    monkeypatch.setattr(programs, "has", lambda path: {"spawn", "timer"})
    monkeypatch.setattr(
        programs,
        "run",
        lambda line, seconds: {
            key: 2.0 if "tokio" in line[0] else 1.0
            for key in ("spawn", "timer-insert", "timer-cancel", "timer-bytes")
        },
    )
    return built


def test_the_command_says_it_all(
    measured: list[list[str]], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["bench", "--against", "tokio,asio,smol", "--mine", "--svg", str(tmp_path / "c")]
    assert cli.main(arguments) == 0
    out = capfd.readouterr().out
    assert measured == [["ours", "mine", "tokio", "smol"]]
    assert "Without asio: gone." in out and "Without smol: its program does not compile" in out
    row = next(line.split() for line in out.splitlines() if line.startswith("spawn + join"))
    assert row == ["spawn", "+", "join", "ns", "1.00", "2.00", "0.50", "<=0.60", "1.00"]
    assert "Medians of 5 rounds, 2 workers" in out and (tmp_path / "c/ratios.svg").exists()
    assert all(len(line) <= 80 for line in out.splitlines() if str(tmp_path) not in line)


def test_the_command_prints_one_object(
    measured: list[list[str]], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["bench", "--json", "--quick", "--only", "timer", "--svg", str(tmp_path / "c")]
    assert cli.main(arguments) == 0
    said = json.loads(capfd.readouterr().out)
    assert set(said) == {"machine", "results"}
    assert [r["workload"] for r in said["results"]] == [
        "timer-insert",
        "timer-cancel",
        "timer-bytes",
    ]
    assert all(r["ratio_to_tokio"] == 0.5 for r in said["results"])


def test_without_a_number_of_ours_it_is_an_error(
    measured: list[list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", "--only", "skynet", "--svg", str(tmp_path / "c")]) == 1


def test_the_command_knows_what_there_is(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--list"]) == 0
    out = capfd.readouterr().out
    assert "skynet" in out and "async-std" in out
    assert cli.main(["bench", "--against", "go"]) == 2
    assert cli.main(["bench", "--only", "fibonacci"]) == 2


# ---- the self-test's part -----------------------------------------------------------------------


def test_a_round_must_say_all_numbers_of_its_workload() -> None:
    assert benches.problem_with(ECHO, {"rate": 1.0, "p99": 0.0, "least": 1.0}) == ""
    assert benches.problem_with(ECHO, {"rate": 1.0}) == "it does not say p99"
    assert benches.problem_with(ECHO, Failure("it ended with 1")) == "it ended with 1"


def test_a_program_lists_workloads_that_there_are() -> None:
    every = frozenset(workload.asks_for for workload in workloads.WORKLOADS)
    assert benches.surprises(peers.OURS, every) == ""
    assert benches.surprises(peers.FLOOR, frozenset({"spawn"})) == ""
    assert "skynet" in benches.surprises(peers.OURS, every - {"skynet"})
    assert "sknyet" in benches.surprises(peers.FLOOR, frozenset({"sknyet"}))
    assert benches.surprises(peers.FLOOR, frozenset()) == "it has no workload"
