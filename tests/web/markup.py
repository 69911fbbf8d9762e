"""Read a page as strictly as no browser does: nesting, references, headings, labels, and where things come from."""

import dataclasses
import re
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser

from werkzeug.test import TestResponse

VOID = {"meta", "link", "input", "br", "img", "hr"}
FIELDS = {"input", "select", "textarea"}
RESOURCES = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}


@dataclass
class Element:
    """An element with its attributes and all the text in it."""

    tag: str
    attrs: dict[str, str]
    text: str = ""
    parents: tuple[str, ...] = ()


@dataclass
class Page(HTMLParser):
    """A page that was read; `problems` says what is wrong with it."""

    elements: list[Element] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        twice = [name for name, times in Counter(name for name, _ in attrs).items() if times > 1]
        if twice:
            self.problems.append(f"<{tag}> has {twice} twice")
        element = Element(tag, {name: value or "" for name, value in attrs}, parents=tuple(e.tag for e in self._open))
        self.elements.append(element)
        if tag == "p" and "p" in element.parents:
            self.problems.append("<p> in <p>")
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.problems.append(f"</{tag}> where {[e.tag for e in self._open[-1:]]} is open, line {self.getpos()[0]}")
        else:
            self._open.pop()

    def handle_data(self, text: str) -> None:
        for element in self._open:
            element.text += text

    def close(self) -> None:
        super().close()
        if self._open:
            self.problems.append(f"never closed: {[e.tag for e in self._open]}")

    def all(self, tag: str) -> list[Element]:
        """Return the elements of one tag."""
        return [element for element in self.elements if element.tag == tag]

    def one(self, tag: str) -> Element:
        """Return the only element of one tag."""
        (found,) = self.all(tag)
        return found


def read(text: str) -> Page:
    """Return a page, read."""
    page = Page()
    page.feed(text)
    page.close()
    return page


def problems(page: Page) -> list[str]:
    """Return all that is wrong with a page: an empty list for a good one."""
    return [*page.problems, *_references(page), *_headings(page), *_labels(page), *_sources(page)]


def faults(answer: TestResponse) -> list[str]:
    """Return the faults that a page lists on top, having checked that each leads to its field and is said there too."""
    assert problems(read(answer.text)) == []
    summary = answer.text.partition('role="alert"')[2].partition("</div>")[0]
    for field, message in re.findall(r'<a href="#(\w+)">([^<]+)</a>', summary):
        assert f'<p class="fault" id="{field}-fault">{message}</p>' in answer.text
        assert re.search(f'id="{field}"[^>]*aria-invalid="true"[^>]*aria-describedby="[^"]*{field}-fault"', answer.text)
    return re.findall(r"<li>(?:<a[^>]*>)?([^<]+)", summary)


def _references(page: Page) -> list[str]:
    ids = Counter(element.attrs["id"] for element in page.elements if "id" in element.attrs)
    found = [f"id {name} {times} times" for name, times in ids.items() if times > 1]
    for element in page.elements:
        for attribute in ("for", "aria-labelledby", "aria-describedby", "list"):
            named = element.attrs.get(attribute, "").split()
            found += [f"<{element.tag} {attribute}> names no {name}" for name in named if name not in ids]
        href = element.attrs.get("href", "")
        if href.startswith("#") and href[1:] not in ids:
            found.append(f"link to {href}, which is not on the page")
    return found


def _headings(page: Page) -> list[str]:
    levels = [int(element.tag[1]) for element in page.elements if element.tag in ("h1", "h2", "h3", "h4", "h5", "h6")]
    found = [] if levels.count(1) == 1 else [f"{levels.count(1)} h1"]
    leaps = zip(levels, levels[1:], strict=False)
    return found + [f"h{after} follows h{before}" for before, after in leaps if after > before + 1]


def _labels(page: Page) -> list[str]:
    named = {element.attrs.get("for") for element in page.all("label")}
    found = []
    for element in page.elements:
        if element.tag not in FIELDS or element.attrs.get("type") == "hidden":
            continue
        if element.attrs.get("id") not in named and "label" not in element.parents:
            found.append(f"<{element.tag} name={element.attrs.get('name')}> without a label")
    for tag in ("a", "button", "h1", "h2", "h3", "title", "legend", "label"):
        for element in page.all(tag):
            if not element.text.strip() and not element.attrs.get("aria-label"):
                found.append(f"<{tag}> without words")
    return found


def _sources(page: Page) -> list[str]:
    """Return what a page loads from elsewhere, or brings along inline."""
    found = []
    for element in page.elements:
        source = element.attrs.get(RESOURCES.get(element.tag, ""), "")
        loads = element.tag != "link" or element.attrs.get("rel") in ("stylesheet", "icon", "preload")
        if source and loads and not source.startswith(("/static/", "/pictures/")):
            found.append(f"<{element.tag}> loads {source}")
        found += [f"<{element.tag} {name}>" for name in element.attrs if name == "style" or name.startswith("on")]
        is_data = element.attrs.get("type") == "application/ld+json"
        if element.tag == "style" or (element.tag == "script" and "src" not in element.attrs and not is_data):
            found.append(f"inline <{element.tag}>")
        if element.tag == "form" and not element.attrs.get("action", "").startswith("/"):
            found.append("a form that leads elsewhere")
    return found
