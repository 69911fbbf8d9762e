"""An editor's note: a little Markdown, made safe for a mail, as HTML and as plain text.

Nothing is enabled but paragraphs, emphasis, lists and links; all else, such as HTML, is shown as it was typed.
"""

import re
from collections.abc import Iterable, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from core import characters, errors, mailtext

LONGEST = 2_000
"""Characters of a note: it stands before the stories, and must not push them out of sight."""
_LINKS = re.compile(r"(?:https?://|mailto:)\S", re.IGNORECASE)
"""What a link in a mail may begin with: a relative one leads nowhere there, and a script must not run."""
_MARKDOWN = MarkdownIt("zero").enable(["emphasis", "link", "autolink", "list", "escape", "entity", "newline"])
_MARKDOWN.validateLink = lambda url: _LINKS.match(url) is not None  # type: ignore[method-assign]
_KEPT = {"\n", "\t"}


def checked(text: str) -> str:
    """Return a note as it is kept. Raises Invalid for one that is empty, too long, or holds hidden characters."""
    text = mailtext.without_marks(text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not text:
        raise errors.Invalid("note", "The note is empty. To take one back, say --undo.")
    if len(text) > LONGEST:
        raise errors.Invalid("note", "A note has at most %(longest)s characters.", longest=LONGEST)
    if any(characters.has_controls(char) for char in text if char not in _KEPT):
        raise errors.Invalid("note", "The note holds a control character. Please type it anew.")
    return text


def as_html(note: str) -> str:
    """Return a note as HTML that is safe in a mail and on a page."""
    return str(_MARKDOWN.render(note)).strip()


def as_text(note: str) -> str:
    """Return a note as plain text: links with their addresses, the items of lists a line each."""
    return "\n\n".join(_paragraphs(_MARKDOWN.parse(note)))


def _paragraphs(tokens: Iterable[Token]) -> list[str]:
    """Return the blocks of a note; the items of a list are one block."""
    found: list[str] = []
    numbers: list[int | None] = []
    mark, follows = "", False
    for token in tokens:
        if token.type == "bullet_list_open":
            numbers.append(None)
        elif token.type == "ordered_list_open":
            numbers.append(int(token.attrGet("start") or 1))
        elif token.type.endswith("_list_close"):
            numbers.pop()
            mark, follows = "  " * len(numbers), bool(numbers)
        elif token.type == "list_item_open":
            mark, numbers[-1] = _mark(numbers)
        elif token.type == "inline":
            text = mark + _words(token.children or ())
            if follows and numbers:
                found[-1] += f"\n{text}"
            else:
                found.append(text)
            mark, follows = "  " * len(numbers), bool(numbers)
    return found


def _mark(numbers: Sequence[int | None]) -> tuple[str, int | None]:
    """Return what stands before an item, and the number of the next one."""
    indent, number = "  " * (len(numbers) - 1), numbers[-1]
    return (f"{indent}- ", None) if number is None else (f"{indent}{number}. ", number + 1)


def _words(tokens: Iterable[Token]) -> str:
    text, begin, target = "", 0, ""
    for token in tokens:
        if token.type == "link_open":
            begin, target = len(text), str(token.attrGet("href") or "")
        elif token.type == "link_close":
            shown = text[begin:]
            text += "" if target in (shown, f"mailto:{shown}") else f" ({target})"
        else:
            text += "\n" if token.type in ("softbreak", "hardbreak") else token.content
    return text
