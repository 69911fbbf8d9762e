"""The fields of a form as a browser would send them untouched."""

from html.parser import HTMLParser
from typing import Any

SEVERAL = {"topics", "countries", "languages"}


class _Form(HTMLParser):
    """Gathers what one form of a page sends: what stands in it, and what names it."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.found: list[tuple[str, str]] = []
        self._inside = False
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given.get("id") == self.form
        ours = given.get("form") == self.form or (self._inside and "form" not in given)
        if tag == "select":
            self._select = given["name"] if ours else None
        elif tag == "option" and self._select and "selected" in given:
            self.found.append((self._select, given["value"]))
        elif tag == "input" and ours and "name" in given and _is_sent(given):
            self.found.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = None


def _is_sent(given: dict[str, str]) -> bool:
    return given.get("type") not in ("checkbox", "radio") or "checked" in given


def filled(text: str, form: str) -> dict[str, Any]:
    """Return the fields of the form with this id; those that can have several values as lists."""
    reading = _Form(form)
    reading.feed(text)
    fields: dict[str, Any] = {}
    for name, value in reading.found:
        if name in SEVERAL:
            fields.setdefault(name, []).append(value)
        else:
            assert name not in fields, f"{name} twice"
            fields[name] = value
    return fields


def as_told(text: str) -> list[str]:
    """Return the lines of the notice that says what was changed."""
    notice = text.partition('<div class="notice stack" role="status"')[2].partition("</div>")[0]
    return [line.partition("</li>")[0] for line in notice.split("<li>")[1:]]
