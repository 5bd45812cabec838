"""Reads what a dying test printed: a sanitizer's report, or the test kit's own. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_FRAME = re.compile(
    r"^\s*#\d+ (?:0x[0-9a-f]+ in )?(?P<function>.+?) (?P<file>/.+?):(?P<line>\d+)(?::\d+)?(?: \(.*)?$"
)
_ANY_FRAME = re.compile(r"^\s*#\d+ ")
_BEGIN = re.compile(r"(?:ERROR|WARNING): (?P<tool>\w+Sanitizer): (?P<what>.+)$")
_UNDEFINED = re.compile(r"^(?P<file>.+?):(?P<line>\d+)(?::\d+)?: runtime error: (?P<what>.+)$")
_HEADER = re.compile(
    r"^(?:==\d+==)?\s*((?:READ|WRITE|Read|Write|Previous|Atomic|As if|Mutex|freed by|previously allocated|Direct leak|Indirect leak"
    r"|Location is|Thread T|Cycle in|Hint: |The signal is|\S+ is located).*?):?$"
)
_NOISE = re.compile(r"^(\[[ =\-A-Z]+\]|Note: Google Test|Running main|=+$|\s*$)")
_KIT_REPORT = re.compile(r"^The test \S+ was ended by ", re.MULTILINE)
_TERMINATE = re.compile(
    r"^The test \S+ was ended by std::terminate\.\n(?P<why>.+)(?:\n  (?P<text>.+))?", re.MULTILINE
)
_STEPS = re.compile(r"^The steps (?:so far|since then):$")
_STEP = re.compile(r"^\s+(?P<number>\d+)\. ")
_AMOUNT = re.compile(r"(\d+) byte\(s\) in (\d+) object\(s\)")

_MOST_STEPS = 24
_MOST_FRAMES = 4
_MOST_LEAKS = 3

# What a sanitizer calls it, and the same in a sentence. The first that fits counts.
_MEANINGS = (
    ("heap-use-after-free", "Memory is used that was freed before."),
    ("double-free", "The same memory is freed a second time."),
    ("stack-use-after-return", "A local variable is used after its function has returned."),
    ("stack-use-after-scope", "A local variable is used after its block has ended."),
    ("stack-overflow", "The stack is full: calls nest too deep."),
    ("alloc-dealloc-mismatch", "Memory is given back in another way than it was taken."),
    ("bad-free", "Something is freed that was never allocated."),
    ("attempting free on address", "Something is freed that was never allocated."),
    ("new-delete-type-mismatch", "An object is deleted as something of another size."),
    ("-overflow", "Memory is used outside of the object it belongs to."),
    ("-underflow", "Memory is used outside of the object it belongs to."),
    ("SEGV", "An address is used at which nothing is."),
    ("data race", "Two threads use the same memory, one of them writes, and nothing orders them."),
    ("lock-order-inversion", "Two locks are taken in one order here and in the other there."),
    ("thread leak", "A thread was started and never joined."),
    ("destroy of a locked mutex", "A mutex is destroyed while it is locked."),
    ("unlock of an unlocked mutex", "A mutex is unlocked that this thread has not locked."),
    ("double lock of a mutex", "A thread locks a mutex that it holds already."),
)


@dataclass(frozen=True)
class Frame:
    file: str  # as seen from the top of the checkout
    line: int
    function: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Section:
    """One stack of a report, innermost frame first: only the course's own files."""

    title: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Crash:
    """A sanitizer's report."""

    tool: str  # AddressSanitizer, LeakSanitizer, …
    what: str  # in the tool's words: heap-use-after-free
    sections: tuple[Section, ...]
    remarks: tuple[str, ...] = ()  # lines without a stack that say more

    @property
    def is_leak(self) -> bool:
        return "detected memory leaks" in self.what


# ---- reading ------------------------------------------------------------------------------------


_OPERATOR = re.compile(r"\boperator *(\(\)|<=>|<<=?|>>=?|->\*?|[<>]=?)")
_STANDS_FOR = {"<": "\1", ">": "\2", "(": "\3", ")": "\4"}


def _without_nested(text: str) -> str:
    """Template arguments and parameters become "…": rt::Async<…>::poll(…)."""
    # The brackets of an operator's name are none, and stay.
    text = _OPERATOR.sub(
        lambda match: "operator" + "".join(_STANDS_FOR.get(c, c) for c in match[1]), text
    )
    out = ""
    depth = 0
    for index, char in enumerate(text):
        if char in "<(":
            if depth == 0:
                out += char + ("" if text[index + 1 : index + 2] in (">", ")") else "…")
            depth += 1
        elif char in ">)" and depth and text[index - 1] != "-":
            depth -= 1
            out += char if depth == 0 else ""
        elif depth == 0:
            out += char
    for bracket, other in _STANDS_FOR.items():
        out = out.replace(other, bracket)
    return out


def readable(function: str) -> str:
    """A function's name as a person would say it."""
    if re.search(r"\bTestBody\b", function):
        return "the test"
    name = function.replace("(anonymous namespace)::", "")
    name = re.sub(r"\brt::(?:detail::)?", "", name)
    name = re.sub(r"\s*\[clone [^\]]*\]|\s*\(\.\w+\)$", "", name)
    name = _without_nested(name)
    name = re.sub(r" (?:const|noexcept)\b", "", name)
    # Without the type it returns, which templates carry in front.
    before, operator, after = name.partition("operator")
    if operator:
        return before.rpartition(" ")[2] + operator + after
    head, bracket, tail = name.partition("(")
    return head.rpartition(" ")[2] + bracket + tail


def _tidy(text: str) -> str:
    """Without addresses: they say nothing, and differ each time."""
    text = re.sub(r"^\s*0x[0-9a-f]+ is located", "it is located", text)
    text = re.sub(
        r" (?:at|on unknown address|on address|of|inside of|region|heap block|address) \[?0x[0-9a-f]+(?:,0x[0-9a-f]+)?[)\]]?",
        "",
        text,
    )
    text = re.sub(
        r" at pc .*$| \(pc .*$| ?\(pid=\d+\)| ?\(tid=\d+[^)]*\)| in T\d+$| thread T0\b", "", text
    )
    return re.sub(r" by(?= here$|$)", "", text.strip()).strip()


def read(output: str, root: Path) -> Crash | None:
    """The first report of a sanitizer in this output, if there is one."""
    begun: tuple[str, str] | None = None
    sections: list[Section] = []
    remarks: list[str] = []
    title = ""
    frames: list[Frame] = []

    def close() -> None:
        nonlocal title, frames
        if frames:
            sections.append(Section(title, tuple(frames)))
        elif title and not title.startswith(("Thread ", "Mutex ")):
            remarks.append(title)
        title, frames = "", []

    for raw in output.splitlines():
        if begun is None:
            if match := _BEGIN.search(raw):
                begun = match["tool"], _tidy(match["what"])
            elif match := _UNDEFINED.match(raw):
                begun = "UndefinedBehaviorSanitizer", match["what"]
                file = Path(os.path.normpath(root / match["file"]))
                if file.is_relative_to(root):
                    frames.append(Frame(str(file.relative_to(root)), int(match["line"]), ""))
            continue
        if raw.startswith("SUMMARY:"):
            break
        if _ANY_FRAME.match(raw):
            frame = _frame(raw, root)
            if frame is None:
                continue
            if frames and not frames[-1].function and frames[-1].place == frame.place:
                frames.pop()  # the headline of undefined behaviour, which has no function's name
            frames.append(frame)
        elif match := _HEADER.match(raw):
            close()
            title = _tidy(match[1])
    if begun is None:
        return None
    close()
    return Crash(begun[0], begun[1], tuple(sections), tuple(remarks))


def _frame(raw: str, root: Path) -> Frame | None:
    """None if it is not in the course's own files."""
    match = _FRAME.match(raw)
    if match is None:
        return None
    file = Path(os.path.normpath(match["file"]))
    if not file.is_relative_to(root) or file.is_relative_to(root / "build"):
        return None
    return Frame(str(file.relative_to(root)), int(match["line"]), readable(match["function"]))


# ---- choosing -----------------------------------------------------------------------------------


def _is_kit(frame: Frame) -> bool:
    return frame.file.startswith("scripts/")


def telling(frames: Sequence[Frame], own: Sequence[str]) -> list[Frame]:
    """The frames to show: the innermost, those in the learner's own files, and where in the test.

    Frames of one function in a row are one: both halves of a coroutine are reported.
    """
    candidates: list[Frame] = []
    for frame in frames:
        if not _is_kit(frame) and not (candidates and candidates[-1].function == frame.function):
            candidates.append(frame)
    if not candidates:
        return list(frames[:1])
    mine = [frame for frame in candidates if frame.file in own]
    tests = [frame for frame in candidates if frame.function == "the test"]
    chosen = [candidates[0], *mine[:2], *tests[:1], *mine[2:], *candidates[1:]]
    kept = list(dict.fromkeys(chosen))[: _MOST_FRAMES if mine else 2]
    return [frame for frame in candidates if frame in kept]


def blamed(crash: Crash, own: Sequence[str]) -> Frame | None:
    """The one place to name: the first in the learner's files, else the first there is."""
    everywhere = [frame for section in crash.sections for frame in section.frames]
    first = crash.sections[0].frames if crash.sections else ()
    for frames in (first, everywhere):
        for frame in frames:
            if frame.file in own:
                return frame
    return next((frame for frame in everywhere if not _is_kit(frame)), None)


def cycle(frames: Sequence[Frame]) -> list[Frame]:
    """The calls that repeat on a stack, outermost first; empty if none does.

    Looked for from the outside: the innermost calls are what the last round was at when it ended.
    """
    calls: list[Frame] = []
    for frame in reversed(frames):
        if not calls or calls[-1].function != frame.function:
            calls.append(frame)
    for start, frame in enumerate(calls):
        for end in range(start + 1, len(calls)):
            if calls[end].function == frame.function:
                return calls[start:end]
    # One function that calls itself: its frames were folded into one.
    return calls[:1] if calls and len(frames) > len(calls) + 20 else []


# ---- telling ------------------------------------------------------------------------------------


def headline(crash: Crash, own: Sequence[str]) -> str:
    """For a line: what happened and where, in the short form."""
    what = re.sub(r"^attempting (?=double-free)| \(.*$", "", crash.what)
    frame = blamed(crash, own)
    return what + (f" at {Path(frame.file).name}:{frame.line}" if frame else "")


def story(crash: Crash, own: Sequence[str]) -> list[tuple[str, str]]:
    """The report for a person: (kind, text), the kind being prose, title, place or remark."""
    if crash.is_leak:
        return _leak_story(crash, own)
    meaning = next((text for word, text in _MEANINGS if word in crash.what), "")
    if crash.what.startswith("stack-overflow"):
        return _overflow_story(crash, own)
    remarks = (*crash.remarks, *(section.title for section in crash.sections))
    if "SEGV" in crash.what and any("zero page" in remark for remark in remarks):
        meaning = "A null pointer is used."
    said = f"{crash.tool}: {crash.what}"
    lines = [("prose", f"{meaning} ({said})" if meaning else f"{said}.")]
    for section in crash.sections[:3]:
        if section.title and not section.title.startswith(("Hint:", "The signal")):
            lines.append(("title", section.title))
        lines += _places(section.frames, own)
    return lines


def _places(frames: Sequence[Frame], own: Sequence[str]) -> list[tuple[str, str]]:
    return [
        ("place", f"{frame.place}" + (f"  in {frame.function}" if frame.function else ""))
        for frame in telling(frames, own)
    ]


def _overflow_story(crash: Crash, own: Sequence[str]) -> list[tuple[str, str]]:
    frames = crash.sections[0].frames if crash.sections else ()
    round_trip = cycle(frames)
    if not round_trip:
        return [
            (
                "prose",
                "The stack is full: calls nest too deep, or a local object is very large. "
                "(AddressSanitizer: stack-overflow)",
            ),
            *_places(frames, own),
        ]
    names = [frame.function for frame in round_trip]
    # Told from the learner's own function on.
    first = next((n for n, frame in enumerate(round_trip) if frame.file in own), 0)
    names = names[first:] + names[:first]
    told = " calls ".join([*names, names[0]])
    return [
        (
            "prose",
            f"The stack is full, because the calls nest: {told}, and so on. "
            "(AddressSanitizer: stack-overflow)",
        ),
        *(
            ("place", f"{f.place}  in {f.function}")
            for f in round_trip[first:] + round_trip[:first]
        ),
    ]


def leaked(crash: Crash) -> str:
    """One sentence on how much was lost."""
    amounts = [
        (int(match[1]), int(match[2]))
        for section in (*(s.title for s in crash.sections), *crash.remarks)
        if (match := _AMOUNT.search(section))
    ]
    size, count = sum(a for a, _ in amounts), sum(b for _, b in amounts)
    if not count:
        return "Memory leaked: some was never freed."
    blocks = "a block of memory was" if count == 1 else f"{count} blocks of memory were"
    return (
        f"Memory leaked: when the test had ended, {blocks} still allocated ({size} bytes), and "
        f"nothing refers to {'it' if count == 1 else 'them'} any more, so nothing will free "
        f"{'it' if count == 1 else 'them'}."
    )


def leak(output: str) -> str:
    """One sentence, if the first report of a sanitizer in this output is one of leaks; else empty."""
    crash = read(output, Path("/nowhere"))
    return leaked(crash) if crash is not None and crash.is_leak else ""


def _leak_story(crash: Crash, own: Sequence[str]) -> list[tuple[str, str]]:
    lines = [("prose", leaked(crash))]
    direct = [s for s in crash.sections if not s.title.startswith("Indirect")]
    inner = [s for s in crash.sections if s.title.startswith("Indirect")]
    seen: list[tuple[str, ...]] = []
    for section in direct or inner:
        places = _places(section.frames, own)
        key = tuple(text for _, text in places)
        if key in seen:
            continue
        seen.append(key)
        if len(seen) > _MOST_LEAKS:
            break
        match = _AMOUNT.search(section.title)
        size = f" ({match[1]} bytes)" if match else ""
        lines += [("title", f"allocated here and never freed{size}"), *places]
    if direct and inner:
        more = "1 more block" if len(inner) == 1 else f"{len(inner)} more blocks"
        lines.append(
            ("remark", f"{more} could be reached only through these, and leaked with them.")
        )
    elif inner:
        lines.append(
            ("remark", "They refer to each other in a circle, so none was the first to go.")
        )
    return lines


def steps(output: str, after: int = 0) -> list[str]:
    """The numbered steps that the test kit printed last, from the one after `after` on."""
    lines = output.splitlines()
    starts = [number for number, text in enumerate(lines) if _STEPS.match(text)]
    if not starts:
        return []
    block = _block(lines[starts[-1] + 1 :])
    return _latest(_newer(block, after), "The steps since then:" if after else "The steps so far:")


def _block(lines: Sequence[str]) -> list[str]:
    block: list[str] = []
    for text in lines:
        if not text.startswith("  "):
            break
        block.append(text)
    return block


def _newer(block: Sequence[str], after: int) -> list[str]:
    """Without the steps up to number `after`, and their continuation lines."""
    kept: list[str] = []
    keeping = after == 0
    for text in block:
        if match := _STEP.match(text):
            keeping = int(match["number"]) > after
        if keeping:
            kept.append(text)
    return kept


def _latest(block: Sequence[str], heading: str) -> list[str]:
    if not block:
        return []
    if len(block) > _MOST_STEPS:
        left = len(block) - _MOST_STEPS
        return [heading, f"  … {left} earlier lines are left out …", *block[-_MOST_STEPS:]]
    return [heading, *block]


def last_step(messages: Sequence[str]) -> int:
    """The number of the last step that these messages show."""
    numbers = [
        int(match["number"])
        for message in messages
        for text in message.splitlines()
        if (match := _STEP.match(text))
    ]
    return max(numbers, default=0)


def kit_report(output: str, after: int = 0) -> list[str]:
    """What the test kit said of an end by a signal or by std::terminate, steps up to `after` left out.

    Empty if it said nothing. What was printed before belongs to it: a failed assertion of the
    library, or what one of the course's classes had to say before it called abort().
    """
    match = _KIT_REPORT.search(output)
    if match is None:
        return []
    before = [
        text
        for text in output[: match.start()].splitlines()
        if re.search(r"^rt::|Assertion|assertion|pure virtual|Check failed|\bFATAL\b", text)
    ]
    lines = output[match.start() :].rstrip().splitlines()
    start = next((number for number, text in enumerate(lines) if _STEPS.match(text)), -1)
    if start >= 0:
        block = _block(lines[start + 1 :])
        shown = _latest(
            _newer(block, after), lines[start] if not after else "The steps since then:"
        )
        rest = lines[start + 1 + len(block) :]
        lines = lines[:start] + (shown or []) + (rest if shown else rest[1:])
    lines[0] = re.sub(r"^The test \S+ was ended", "It was ended", lines[0])
    return [*before[-2:], *lines]


def kit_place(output: str, own: Sequence[str]) -> str:
    """Where the kit's report saw the thread: in the learner's file if that is on the stack."""
    match = _KIT_REPORT.search(output)
    if match is None:
        return ""
    places = [
        text.strip()
        for text in output[match.start() :].splitlines()
        if re.match(r"^ {5,}\S[^(]*:\d+$", text)
    ]
    mine = [place for place in places if place.rpartition(":")[0] in own]
    return (mine or places or [""])[0]


def terminated(output: str) -> str:
    """Why std::terminate was called, if it was."""
    match = _TERMINATE.search(output)
    if match is None:
        return ""
    why = match["why"].rstrip(":.") + (f": {match['text']}" if match["text"] else "")
    return f"ended by std::terminate. {why}"


def last_words(output: str, count: int = 8) -> list[str]:
    """The end of what it printed, without GoogleTest's frame."""
    lines = [line.rstrip() for line in output.splitlines() if not _NOISE.match(line)]
    return lines[-count:]
