"""Reads the lessons: a module's README.md, its exercise sections, hints, folded answers and snippets.

One reader for `lesson`, `hint`, `watch` and the self-test, so that what a learner is shown is what was proved.
`parse` is pure: it reads a text and never fails, but lists what is wrong. `validate` is strict.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coursekit.course import catalog as catalogs
from coursekit.course.catalog import Catalog, CatalogError, Exercise, Module

HINTS = 3  # of each exercise

# What every exercise section says, and how a lesson writes it: in bold, at the beginning of a line.
PARTS = ("Files", "You need", "What must hold", "Predict before coding", "Run")

# What "You need" says where the language and the standard library are enough.
NOTHING_NEEDED = "nothing from other headers"

# What a lesson has besides its exercises, as its headings say it, in this order.
_ROOMS = (
    ("what you will be able to do", r"(will|can) be able to"),
    ("the commands", r"commands"),
    ("an experiment", r"experiment"),
    ("check your understanding", r"check your understanding"),
    ("pitfalls", r"pitfalls"),
    ("how Tokio does it", r"tokio"),
    ("what this still can't do", r"still can(['’]t|not)"),
)

_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([^`]*)$")
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_EXERCISE = re.compile(r"Exercise (\d+\.\d+[a-z]?) ?★?: (.+)")
_LIKE_EXERCISE = re.compile(r"exercise\s+\d+\.\d+", re.IGNORECASE)
_OPEN = re.compile(r"<details><summary>(.+)</summary>")
_HINT = re.compile(r"Hint (\d+)")
_LINK = re.compile(
    r"(?<!\\)(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+\"[^\"]*\")?\)"
)
_YOU_NEED = re.compile(
    r"^[ \t]*(?:[-*][ \t]+)?\*\*You need[.:]?\*\*[.:]?(.*?)(?:\n[ \t]*\n|\Z)",
    re.MULTILINE | re.IGNORECASE | re.DOTALL,
)
_HEADER = re.compile(r"[\w./-]+\.h")
_CODE_SPAN = re.compile(r"(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)")
_CPP = ("cpp", "c++", "cc", "cxx")


class LessonError(CatalogError):
    """A lesson is missing or cannot be read."""


@dataclass(frozen=True)
class Problem:
    """Something wrong in a lesson. `line` is 0 when it is about the whole file."""

    file: str  # as seen from the top of the checkout
    line: int
    message: str

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.message}"
            if self.line
            else f"{self.file}: {self.message}"
        )


@dataclass(frozen=True)
class Snippet:
    """A piece of C++ in a lesson."""

    file: str
    line: int  # of the first line of code
    info: str  # the whole info string: "cpp body"
    code: str

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.info.split()[1:])

    @property
    def body(self) -> bool:
        """Statements of a function, not file-scope code."""
        return "body" in self.words

    @property
    def fails(self) -> bool:
        """It must not compile."""
        return "fails" in self.words


@dataclass(frozen=True)
class Folded:
    """A <details> block."""

    summary: str
    text: str
    first: int  # the line of <details>
    last: int  # the line of </details>


@dataclass(frozen=True)
class Section:
    """An exercise's part of a lesson."""

    id: str
    title: str
    first: int  # the line of its heading
    last: int
    hints: tuple[Folded, ...]
    text: str  # without its hints; other folded blocks are left in


@dataclass(frozen=True)
class Lesson:
    file: str
    lines: tuple[str, ...]
    headings: tuple[tuple[int, int, str], ...]  # line, level, text
    sections: tuple[Section, ...]
    folded: tuple[Folded, ...]
    snippets: tuple[Snippet, ...]
    links: tuple[tuple[int, str], ...]  # line, target
    problems: tuple[Problem, ...]

    def section(self, exercise_id: str) -> Section | None:
        return next((s for s in self.sections if s.id == exercise_id), None)

    @property
    def words(self) -> int:
        """As a lesson's length is counted: without exercise sections, folded blocks and code."""
        skipped = {n for s in self.sections for n in range(s.first, s.last + 1)}
        skipped |= {n for f in self.folded for n in range(f.first, f.last + 1)}
        kept = [
            text for n, text, inside in with_fences(self.lines) if n not in skipped and not inside
        ]
        return len(" ".join(kept).split())


def path_of(root: Path, module: Module) -> Path:
    return root / module.name / "README.md"


def load(root: Path, module: Module) -> Lesson:
    """The lesson of a module. Raises LessonError when there is none to read."""
    path = path_of(root, module)
    name = path.relative_to(root).as_posix()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise LessonError(f"{name} is missing. `git checkout -- {name}` brings it back") from None
    except UnicodeDecodeError:
        raise LessonError(
            f"{name} is not UTF-8 text. `git checkout -- {name}` brings it back"
        ) from None
    except OSError as error:
        raise LessonError(f"{name} cannot be read: {error.strerror}") from error
    return parse(text, name)


def section_of(lesson: Lesson, exercise: Exercise) -> Section:
    section = lesson.section(exercise.id)
    if section is None:
        raise LessonError(
            f'{lesson.file} has no section "### Exercise {exercise.id}: {exercise.title}"'
        )
    return section


# ---- reading ------------------------------------------------------------------------------------


def with_fences(lines: Sequence[str]) -> Iterator[tuple[int, str, bool]]:
    """(number, text, whether it belongs to a fenced block, its fences included)."""
    closing = ""
    for number, text in enumerate(lines, 1):
        match = _FENCE.match(text)
        if closing:
            ends = match is not None and match[2].startswith(closing) and not match[3].strip()
            yield number, text, True
            if ends:
                closing = ""
        elif match is not None:
            closing = match[2]
            yield number, text, True
        else:
            yield number, text, False


def _snippets(name: str, lines: Sequence[str], problems: list[Problem]) -> list[Snippet]:
    """Every fenced block of C++."""
    found = []
    start = 0
    indent = closing = info = ""
    for number, text in enumerate(lines, 1):
        match = _FENCE.match(text)
        if not closing:
            if match is not None:
                start, indent, closing, info = number, match[1], match[2], match[3].strip()
        elif match is not None and match[2].startswith(closing) and not match[3].strip():
            if info.split()[:1] and info.split()[0].lower() in _CPP:
                code = [line.removeprefix(indent) for line in lines[start : number - 1]]
                snippet = Snippet(name, start + 1, info, "".join(line + "\n" for line in code))
                found.append(snippet)
                if info.split()[0] != "cpp" or any(
                    w not in ("body", "fails") for w in snippet.words
                ):
                    problems.append(
                        Problem(
                            name,
                            start,
                            f"a block of C++ says ```cpp, ```cpp body or ```cpp fails, not ```{info}",
                        )
                    )
            closing = ""
    if closing:
        problems.append(Problem(name, start, f"this {closing} is never closed"))
    return found


def _folded(name: str, lines: Sequence[str], problems: list[Problem]) -> list[Folded]:
    found = []
    opened = 0
    summary = ""
    for number, text, inside in with_fences(lines):
        said = text.strip()
        if inside:
            continue
        if said.startswith(("<details", "<summary")):
            match = _OPEN.fullmatch(said)
            if match is None:
                problems.append(
                    Problem(
                        name,
                        number,
                        "write <details><summary>…</summary> alone and on one line, so that tools find it",
                    )
                )
            elif opened:
                problems.append(
                    Problem(name, number, f"<details> begins inside the one of line {opened}")
                )
            else:
                opened, summary = number, match[1].strip()
                if number < len(lines) and lines[number].strip():
                    problems.append(
                        Problem(
                            name,
                            number,
                            "an empty line has to follow <details>, or its text is no Markdown",
                        )
                    )
        elif "</details>" in said:
            if said != "</details>":
                problems.append(Problem(name, number, "write </details> alone on its line"))
            elif not opened:
                problems.append(Problem(name, number, "</details>, and no <details> is open"))
            else:
                found.append(
                    Folded(
                        summary, "\n".join(lines[opened : number - 1]).strip("\n"), opened, number
                    )
                )
                opened = 0
    if opened:
        problems.append(Problem(name, opened, "this <details> has no </details>"))
    return found


def _links(lines: Sequence[str]) -> list[tuple[int, str]]:
    found = []
    for number, text, inside in with_fences(lines):
        if not inside:
            plain = _CODE_SPAN.sub(lambda m: " " * len(m[0]), text)
            found += [(number, match[2]) for match in _LINK.finditer(plain)]
    return found


def parse(text: str, name: str) -> Lesson:
    """The lesson in `text`; `name` is what problems call the file."""
    lines = tuple(text.replace("\r\n", "\n").split("\n"))
    problems: list[Problem] = []
    headings = tuple(
        (number, len(match[1]), match[2])
        for number, line, inside in with_fences(lines)
        if not inside and (match := _HEADING.match(line))
    )
    folded = _folded(name, lines, problems)
    sections = _sections(name, lines, headings, folded, problems)
    snippets = _snippets(name, lines, problems)
    problems.sort(key=lambda p: p.line)
    return Lesson(
        name,
        lines,
        headings,
        sections,
        tuple(folded),
        tuple(snippets),
        tuple(_links(lines)),
        tuple(problems),
    )


def _sections(
    name: str,
    lines: Sequence[str],
    headings: Sequence[tuple[int, int, str]],
    folded: Sequence[Folded],
    problems: list[Problem],
) -> tuple[Section, ...]:
    sections: list[Section] = []
    for index, (first, level, said) in enumerate(headings):
        match = _EXERCISE.fullmatch(said)
        if match is None or level != 3:
            if _LIKE_EXERCISE.match(said):
                problems.append(
                    Problem(
                        name,
                        first,
                        "an exercise's heading is written `### Exercise 1.2: Its title`",
                    )
                )
            continue
        following = (line for line, other, _ in headings[index + 1 :] if other <= 3)
        last = next(following, len(lines) + 1) - 1
        inside = [f for f in folded if first < f.first <= last]
        hints = [f for f in inside if _HINT.fullmatch(f.summary)]
        hidden = {n for f in hints for n in range(f.first, f.last + 1)}
        text = "\n".join(lines[n - 1] for n in range(first, last + 1) if n not in hidden)
        text = re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"
        if any(s.id == match[1] for s in sections):
            problems.append(Problem(name, first, f"a second section for exercise {match[1]}"))
        sections.append(Section(match[1], match[2].strip(), first, last, tuple(hints), text))
    return tuple(sections)


# ---- checking -----------------------------------------------------------------------------------


def validate(root: Path, catalog: Catalog | None = None) -> list[Problem]:
    """Everything wrong in every module's lesson, in order. Nothing is wrong when it is empty."""
    catalog = catalog or catalogs.load(root)
    problems: list[Problem] = []
    for module in catalog.modules:
        try:
            lesson = load(root, module)
        except LessonError as error:
            name = f"{module.name}/README.md"
            problems.append(Problem(name, 0, str(error).removeprefix(f"{name} ")))
            continue
        problems += check(lesson, module)
        problems += dead_links(lesson, root)
        problems += wrong_needs(lesson, module, root, catalog)
    return problems


def snippets(root: Path, catalog: Catalog | None = None) -> list[Snippet]:
    """Every C++ snippet of every lesson, for the self-test to compile."""
    catalog = catalog or catalogs.load(root)
    return [snippet for module in catalog.modules for snippet in load(root, module).snippets]


def check(lesson: Lesson, module: Module) -> list[Problem]:
    """A lesson beside its module's catalog."""
    problems = list(lesson.problems)
    known = {e.id: e for e in module.exercises}
    for section in lesson.sections:
        exercise = known.get(section.id)
        if exercise is None:
            problems.append(
                Problem(
                    lesson.file,
                    section.first,
                    f"exercise {section.id} is not in {module.name}/exercises.toml",
                )
            )
        else:
            problems += _check_section(lesson, section, exercise)
    present = [s.id for s in lesson.sections]
    for exercise in module.exercises:
        if exercise.id not in present:
            problems.append(
                Problem(
                    lesson.file, 0, f'no section "### Exercise {exercise.id}: {exercise.title}"'
                )
            )
    order = [e.id for e in module.exercises if e.id in present]
    if [i for i in present if i in known] != order and len(set(present)) == len(present):
        problems.append(
            Problem(lesson.file, 0, "the exercises do not stand in the order of exercises.toml")
        )
    outside = [
        f for f in lesson.folded if _HINT.fullmatch(f.summary) and not _within(f, lesson.sections)
    ]
    problems += [
        Problem(lesson.file, f.first, "a hint outside of an exercise's section") for f in outside
    ]
    problems += _check_rooms(lesson)
    return sorted(problems, key=lambda p: p.line)


def _within(folded: Folded, sections: Sequence[Section]) -> bool:
    return any(s.first < folded.first <= s.last for s in sections)


def _check_section(lesson: Lesson, section: Section, exercise: Exercise) -> Iterator[Problem]:
    def problem(message: str, line: int = section.first) -> Problem:
        return Problem(lesson.file, line, f"exercise {section.id}: {message}")

    if section.title != exercise.title:
        yield problem(
            f"its title here is {section.title!r}, and in exercises.toml {exercise.title!r}"
        )
    numbers = [int(match[1]) for h in section.hints if (match := _HINT.fullmatch(h.summary))]
    if numbers != list(range(1, HINTS + 1)):
        said = ", ".join(map(str, numbers)) or "none"
        yield problem(f"it has to have the hints 1, 2 and 3, in this order, and has: {said}")
    for hint in section.hints:
        if not hint.text.strip():
            yield problem(f"{hint.summary} is empty", hint.first)
    for part in PARTS:
        if not re.search(
            rf"^[ \t]*(?:[-*][ \t]+)?\*\*{part}[.:]?\*\*",
            section.text,
            re.MULTILINE | re.IGNORECASE,
        ):
            yield problem(f"**{part}** is missing")
    for file in exercise.files:
        if Path(file).name not in section.text:
            yield problem(f"it does not name {file}")
    if f"scripts/course check {exercise.id}" not in section.text:
        yield problem(f"it does not say `scripts/course check {exercise.id}`")


def needed_names(section: Section) -> list[tuple[str, tuple[str, ...]]]:
    """Each header that "You need" names, with the names that are said to be in it.

    Names stand before their header. Those that no header follows are given with "" for it.
    """
    match = _YOU_NEED.search(section.text)
    found: list[tuple[str, tuple[str, ...]]] = []
    names: list[str] = []
    for span in _CODE_SPAN.finditer(match[1]) if match else ():
        said = span[0].strip("`").strip()
        if _HEADER.fullmatch(said):
            found.append((said, tuple(names)))
            names = []
        else:
            names.append(said)
    return found + ([("", tuple(names))] if names else [])


def wrong_needs(lesson: Lesson, module: Module, root: Path, catalog: Catalog) -> list[Problem]:
    """What "You need" says that is not so: headers that are not there yet, names not in theirs."""
    problems = []
    reachable = [m for m in catalog.modules if m.number <= module.number]
    for section in lesson.sections:
        exercise = next((e for e in module.exercises if e.id == section.id), None)
        match = _YOU_NEED.search(section.text)
        if exercise is None or match is None:
            continue  # _check_section() has named it
        line = section.first
        needed = needed_names(section)
        said = []
        if not needed and match[1].strip().rstrip(".") != NOTHING_NEEDED:
            said.append(f'**You need** names no header; if there is none, write "{NOTHING_NEEDED}"')
        for header, names in needed:
            quoted = ", ".join(f"`{name}`" for name in names)
            files = [root / m.name / "include" / header for m in reachable]
            texts = [f.read_text("utf-8") for f in files if header and f.is_file()]
            if not header:
                said.append(f"**You need** does not say which header has {quoted}")
            elif not names:
                said.append(f"**You need** says nothing of what `{header}` is needed for")
            elif f"include/{header}" in exercise.files:
                said.append(f"**You need** names `{header}`, which the learner writes")
            elif not texts:
                said.append(f"`{header}` is in no module up to {module.name}")
            else:
                said += [
                    f"`{name}` is not in `{header}`"
                    for name in names
                    if not any(_declares(text, name) for text in texts)
                ]
        problems += [Problem(lesson.file, line, f"exercise {section.id}: {s}") for s in said]
    return problems


def _declares(header: str, name: str) -> bool:
    """True if each part of `name`, as in `clock::now`, is a word of the code in `header`."""
    code = re.sub(r"//.*", "", header)
    return all(re.search(rf"\b{re.escape(part)}\b", code) for part in name.split("::"))


def _check_rooms(lesson: Lesson) -> list[Problem]:
    """The order in which a lesson goes."""
    at = []
    problems = []
    for name, pattern in _ROOMS:
        found = [
            line
            for line, level, said in lesson.headings
            if level == 2 and re.search(pattern, said, re.IGNORECASE)
        ]
        if found:
            at.append((found[-1], name))
        else:
            problems.append(Problem(lesson.file, 0, f"no `## …` heading for {name}"))
    for (line, name), (before, earlier) in zip(at[1:], at):
        if line < before:
            problems.append(Problem(lesson.file, line, f"{name} comes after {earlier}"))
    return problems


def anchor(heading: str) -> str:
    """What GitHub calls a heading in a link."""
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).strip().lower())
    return kept.replace(" ", "-")


def dead_links(lesson: Lesson, root: Path) -> list[Problem]:
    """Links to files, and to headings of the same file, that are not there."""
    problems = []
    for line, target in dead_targets(lesson, root):
        said = (
            f"no heading is called {target}"
            if target.startswith("#")
            else f"the link to {target} leads nowhere"
        )
        problems.append(Problem(lesson.file, line, said))
    return problems


def dead_targets(lesson: Lesson, root: Path) -> list[tuple[int, str]]:
    """(line, target) of each link that leads nowhere."""
    folder = (root / lesson.file).parent
    anchors = {anchor(said) for _, _, said in lesson.headings}
    dead = []
    for line, target in lesson.links:
        file, _, fragment = target.partition("#")
        if is_outside(target):
            continue
        missing = (
            not (folder / urllib.parse.unquote(file)).exists()
            if file
            else bool(fragment) and fragment not in anchors
        )
        if missing:
            dead.append((line, target))
    return dead


def is_outside(target: str) -> bool:
    """True for http:, mailto: and the like."""
    return re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE) is not None


def unlink(text: str, keep: Callable[[str], bool]) -> str:
    """Links for which `keep` says no become their text."""
    out = []
    for _, line, inside in with_fences(text.split("\n")):
        if not inside:
            plain = _CODE_SPAN.sub(lambda m: "\0" * len(m[0]), line)
            for match in reversed(list(_LINK.finditer(plain))):
                if not keep(match[2]):
                    said = line[match.start(1) : match.end(1)]
                    line = line[: match.start()] + said + line[match.end() :]
        out.append(line)
    return "\n".join(out)


# ---- what is shown ------------------------------------------------------------------------------


def before_exercises(lesson: Lesson) -> str:
    """The lesson up to its first exercise."""
    first = lesson.sections[0].first if lesson.sections else len(lesson.lines) + 1
    return "\n".join(lesson.lines[: first - 1]).strip("\n") + "\n"


def whole(lesson: Lesson) -> str:
    """The whole lesson without its hints."""
    hidden = {n for s in lesson.sections for h in s.hints for n in range(h.first, h.last + 1)}
    text = "\n".join(line for n, line in enumerate(lesson.lines, 1) if n not in hidden)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def fold(text: str, *, answers: bool) -> str:
    """What a browser would fold: its summary, and its text only when answers are asked for."""
    lines = text.split("\n")
    out: list[str] = []
    hiding = False
    for _, line, inside in with_fences(lines):
        match = None if inside else _OPEN.fullmatch(line.strip())
        if match is not None:
            out.append(
                f"*{match[1].strip()}*" + ("" if answers else " (folded; `--answers` shows it)")
            )
            hiding = not answers
        elif not inside and line.strip() == "</details>":
            hiding = False
        elif not hiding:
            out.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out))
