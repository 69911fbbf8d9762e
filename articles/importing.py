"""Read a folder of HTML and Markdown files with front matter into entries, one file after the other.

A folder is somebody else's work: nothing outside of it is read, and a file that is too large, no text, or written to
cost us time is named with its line and the cure.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from yaml import tokens

from articles import dates, entries
from articles.entries import Entry, Refused

KINDS = {".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html"}
MOST_FILES = 200_000
MOST_OCTETS = 1_000_000
"""A story has 200,000 characters at most; the rest is for its front matter and for scripts of more than one octet."""
_MOST_FRONT = 20_000
_FENCES = {"---": "yaml", "+++": "toml"}
_NAMES = {
    "title": ("title", "headline"),
    "date": ("date", "published"),
    "language": ("language", "lang"),
    "author": ("author", "authors"),
    "standfirst": ("standfirst", "description", "summary"),
    "topics": ("topics", "tags", "categories"),
    "guid": ("guid", "id"),
    "url": ("url", "canonical"),
    "slug": ("slug",),
    "story": ("story",),
    "translation_of": ("translation_of",),
    "embargo": ("embargo", "embargo_until"),
    "draft": ("draft",),
    "image": ("image",),
}
_OPEN = (
    tokens.BlockMappingStartToken,
    tokens.BlockSequenceStartToken,
    tokens.FlowMappingStartToken,
    tokens.FlowSequenceStartToken,
)
_CLOSE = (tokens.BlockEndToken, tokens.FlowMappingEndToken, tokens.FlowSequenceEndToken)
_REFUSED = (tokens.AliasToken, tokens.AnchorToken, tokens.TagToken, tokens.DirectiveToken)
_MOST_DEPTH = 20
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")


class BadFile(Exception):
    """What is wrong with a file, and how to mend it; `line` is where, or 0 for the whole of it."""

    def __init__(self, why: str, line: int = 0) -> None:
        self.why, self.line = why, line
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Imported:
    """A file that was read. Without an entry it is a draft; `language` is what it says itself, or empty."""

    entry: Entry | None
    language: str = ""


@dataclass(frozen=True, slots=True)
class _Front:
    """The front matter, the text behind it, and where each field stands."""

    fields: Mapping[str, Any]
    text: str
    lines: Mapping[str, int]

    def of(self, name: str) -> tuple[Any, int]:
        """Return what a field has under any of its names, and its line."""
        for one in _NAMES[name]:
            if self.fields.get(one) is not None:
                return self.fields[one], self.lines.get(one, 1)
        return None, 1


def files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder in the order of their names; hidden ones and those of other kinds are none."""
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and path.suffix.lower() in KINDS:
                yield path


def read(path: Path, folder: Path, *, zone: tzinfo, now: datetime) -> Imported:
    """Read one file. A date without a zone is one of `zone`. Raises BadFile."""
    front = _front(_text(path, folder))
    draft, line = front.of("draft")
    if draft is not None and not isinstance(draft, bool):
        raise BadFile("Its draft is neither true nor false.", line)
    language = _string(front, "language")
    if draft:
        return Imported(None, language)
    at = _moment(front, "date", zone)
    if at is None:
        raise BadFile("It has no date. Add one, such as date: 2024-02-15T15:13:00+09:00", 1)
    embargo = _moment(front, "embargo", zone)
    if at > now and (embargo is None or embargo <= now):
        raise BadFile("Its date is still to come. Mend it, or add an embargo.", front.of("date")[1])
    if not _string(front, "title"):
        raise BadFile("It has no title. Add one, such as title: A headline", 1)
    entry = entries.entry(_item(front, path, folder, at, embargo))
    if isinstance(entry, Refused):
        raise BadFile(f"It cannot be taken: {entry.why}.")
    return Imported(entry, language)


def _item(front: _Front, path: Path, folder: Path, at: datetime, embargo: datetime | None) -> dict[str, Any]:
    """Return the file in the shape that feedparser gives an item."""
    is_markdown = KINDS[path.suffix.lower()] == "markdown"
    guid, url, standfirst = _guid(front, path, folder), _string(front, "url"), _string(front, "standfirst")
    return {
        "id": guid,
        "links": [{"rel": "alternate", "type": "text/html", "href": url}] if url else [],
        "title": _string(front, "title"),
        "title_detail": {"type": "text/plain"},
        "summary": standfirst,
        **({"summary_detail": {"type": "text/plain"}} if standfirst else {}),
        "content": [{"type": "text/html", "value": _MARKDOWN.render(front.text) if is_markdown else front.text}],
        "authors": [{"name": name} for name in _strings(front, "author")],
        "tags": [{"term": term} for term in _strings(front, "topics")],
        "media_content": [{"url": image, "medium": "image"} for image in _strings(front, "image")],
        "published_parsed": at.astimezone(UTC).timetuple(),
        "embargo_parsed": embargo.astimezone(UTC).timetuple() if embargo else None,
        "slug": _string(front, "slug"),
        "story": _string(front, "story") or _original(front, folder) or guid,
    }


def _text(path: Path, folder: Path) -> str:
    """Return a file's text. Raises BadFile for what is no text of reasonable size inside the folder."""
    try:
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            raise BadFile("It is a link that leads out of the folder. Put the file itself there.")
        if not path.is_file():
            raise BadFile("It is no file.")
        with path.open("rb") as opened:
            raw = opened.read(MOST_OCTETS + 1)
    except (OSError, RuntimeError) as error:
        raise BadFile(f"It cannot be read ({type(error).__name__}).") from error
    if len(raw) > MOST_OCTETS:
        raise BadFile(f"It is larger than {MOST_OCTETS} octets, which is no story.")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadFile("It is in UTF-16. Save it in UTF-8.", 1)
    if b"\0" in raw:
        raise BadFile("It is no text: it has null bytes in it.", raw[: raw.index(b"\0")].count(b"\n") + 1)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise BadFile("It is not in UTF-8. Save it in UTF-8.", raw[: error.start].count(b"\n") + 1) from error


def _front(text: str) -> _Front:
    """Split a file into its front matter and its text. Raises BadFile."""
    fence, _newline, rest = text.partition("\n")
    kind = _FENCES.get(fence.strip())
    if kind is None:
        raise BadFile(
            "It has no front matter. Begin it with a line ---, then title: and date:, then another line ---", 1
        )
    head, found, body = f"\n{rest}".partition(f"\n{fence.strip()}\n")
    if not found and rest.rstrip().endswith(f"\n{fence.strip()}"):
        head, found, body = rest.rstrip()[: -len(fence.strip())], "yes", ""
    if not found:
        raise BadFile(f"Its front matter does not end. Close it with a line {fence.strip()}", 1)
    head = head.removeprefix("\n")
    if len(head) > _MOST_FRONT:
        raise BadFile(f"Its front matter has more than {_MOST_FRONT} characters.", 1)
    fields = _yaml(head) if kind == "yaml" else _toml(head)
    if not isinstance(fields, Mapping):
        raise BadFile("Its front matter has no fields. Write one in a line, such as title: A headline", 2)
    lines: dict[str, int] = {}
    for number, line in enumerate(head.split("\n"), 2):
        lines.setdefault(line.replace("=", ":").partition(":")[0].strip().strip("\"'"), number)
    return _Front({str(name): value for name, value in fields.items()}, body, lines)


def _yaml(head: str) -> object:
    """Read YAML. Anchors, aliases, tags and directives are refused: a few of them can stand for billions of values."""
    try:
        depth = 0
        for token in yaml.scan(head, Loader=yaml.SafeLoader):
            depth += isinstance(token, _OPEN) - isinstance(token, _CLOSE)
            if depth > _MOST_DEPTH:  # The reader's time grows with the square of it.
                raise BadFile("Its front matter is nested too deep.", token.start_mark.line + 2)
            if isinstance(token, _REFUSED):
                why = "Its front matter has an anchor, an alias or a tag in it (& * !). Put the text in quotes."
                raise BadFile(why, token.start_mark.line + 2)
        return yaml.safe_load(head)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        why = f"Its front matter is no YAML: {error.problem}. A text with a colon in it belongs in quotes."
        raise BadFile(why, mark.line + 2 if mark else 1) from error
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise BadFile(f"Its front matter is no YAML ({type(error).__name__}).", 1) from error


def _toml(head: str) -> object:
    try:
        return tomllib.loads(head)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise BadFile(f"Its front matter is no TOML: {str(error)[:100]} (counted from its second line).", 1) from error


def _guid(front: _Front, path: Path, folder: Path) -> str:
    """Return what the file is known by: its guid, else its address, else its place in the folder."""
    return _string(front, "guid") or _string(front, "url") or f"file:{path.relative_to(folder).as_posix()}"


def _original(front: _Front, folder: Path) -> str:
    """Return the guid of the story that this one translates: it is named by that, or by its file."""
    named = _string(front, "translation_of")
    try:
        path = folder / named
        if not named or Path(named).suffix.lower() not in KINDS or not path.is_file():
            return named
    except (OSError, ValueError):
        return named
    original = _front(_text(path, folder))
    return _string(original, "story") or _guid(original, path, folder)


def _string(front: _Front, name: str) -> str:
    """Return a field that is one text; a number is read as it is written. Raises BadFile."""
    value, line = front.of(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadFile(f"Its {name} is no text. Put it in quotes.", line)
    return str(value).strip()


def _strings(front: _Front, name: str) -> list[str]:
    """Return a field that is one text or a list of them; a person or a picture may be a table. Raises BadFile."""
    value, line = front.of(name)
    found = []
    for one in value if isinstance(value, list) else [] if value is None else [value]:
        text = one.get("name") or one.get("url") or one.get("src") if isinstance(one, Mapping) else one
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise BadFile(f"Its {name} is neither a text nor a list of texts.", line)
        found.append(str(text).strip())
    if name == "topics" and isinstance(value, str):
        found = [part.strip() for part in value.split(",")]
    return [text for text in found if text]


def _moment(front: _Front, name: str, zone: tzinfo) -> datetime | None:
    """Return a field that is a date, with or without a time and a zone. Raises BadFile."""
    value, line = front.of(name)
    if value is None:
        return None
    try:
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
        if isinstance(value, date):
            return datetime.combine(value, time(), zone).astimezone(UTC)
        parsed = dates.read(str(value), zone=zone, guess=None)
    except (ValueError, OverflowError):
        parsed = None
    if parsed is None:
        raise BadFile(f"Its {name} is no date. Write it like 2024-02-15T15:13:00+09:00", line)
    return datetime(*parsed[:6], tzinfo=UTC)
