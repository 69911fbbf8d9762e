"""What a digest's HTML uses, what of it mail programs do not know, and why that does no harm.

The facts are those of caniemail.com for Gmail, Outlook, Apple Mail and Yahoo, which its npm package brings.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

FAMILIES = ("apple-mail", "gmail", "outlook", "yahoo")
_GONE = {("outlook", "windows-mail")}
"""A program that its maker has replaced."""
_HEADINGS = re.compile("h[1-6]")
_SAME = {
    "ul": "html-lists",
    "li": "html-lists",
    "meta": "html-meta-color-scheme",
    "td": "html-table",
    "tr": "html-table",
}
_STEMS = ("padding", "margin", "border", "font", "background", "text-decoration")

ALLOWED: Mapping[str, str] = {
    "css-background": "Only one colour, and the attribute is not needed: without it words stand on the ground.",
    "css-border": "A line between stories is lost where a table has no border.",
    "css-font-size": "Sizes are in pixels, which all know.",
    "css-font-weight": "Only bold and what a heading has, which all know.",
    "css-text-decoration": "Only none, on headlines: elsewhere they are underlined.",
    "css-at-media": "Only a dark or a narrow screen changes anything: without it the mail is the light, fluid one.",
    "css-at-media-prefers-color-scheme": "Where it is not known, programs darken by their own rules; our colours keep "
    "their contrast then.",
    "css-border-spacing": "The attribute cellspacing says the same.",
    "css-display": "Only a picture's block, the preheader's none and a button's inline-block.",
    "css-display-none": "Only the preheader, which Outlook hides by mso-hide; where it is seen, it is a line of words.",
    "css-important": "Only within media queries.",
    "css-line-height": "Programs that do not know it space their lines as they do.",
    "css-margin": "Distances that matter are paddings of cells.",
    "css-max-height": "Only the preheader's, beside display: none.",
    "css-max-width": "Outlook on Windows gets a table of 640 pixels in a comment for it, and the picture's width as an "
    "attribute.",
    "css-overflow": "Only the preheader's, beside display: none.",
    "css-padding": "Cells have it, where it is known everywhere.",
    "css-word-break": "Korean lines break within words instead.",
    "css-width": "The attribute width says the same.",
    "html-aria-label": "Only on the links that share or print: elsewhere such a link is read under the heading of its "
    "story.",
    "html-aria-hidden": "Only on an arrow, which is read as one.",
    "html-bdi": "A name may stand in another order beside a colon.",
    "html-body": "The ground's colour stands on the outer table, too.",
    "html-dir": "Each cell says it anew.",
    "html-doctype": "Each cell says its face and size, as programs without it need.",
    "html-lang": "Each cell says it anew.",
    "html-lists": "Only the first edition has one; its distance is on it.",
    "html-meta-color-scheme": "Where it is not known, programs darken by their own rules.",
    "html-width": "A style says the same.",
    "html-role": "Tables that only place things are read as tables.",
    "html-style": "It has media queries alone; all else is on the elements.",
    "html-align": "Only for Outlook on Windows.",
}
"""Of each thing that one of the programs does not know, or knows in part: why that does no harm."""


class _Used(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = {"html-doctype", "html-comments"}
        self.styles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add("html-h1-h6" if _HEADINGS.fullmatch(tag) else _SAME.get(tag, f"html-{tag}"))
        for name, value in attrs:
            self.names.add(f"html-{name}")
            if name == "style":
                self.styles.append(value or "")

    def handle_data(self, data: str) -> None:
        if "@media" in data:
            self.names |= {
                "css-at-media",
                *(f"css-at-media-{one}" for one in re.findall(r"\((prefers-[a-z-]+):", data)),
            }
            self.styles += re.findall(r"\{([^{}]*)\}", data)


def used(html: str) -> set[str]:
    """Return what a mail uses, by the names that caniemail has for it."""
    found = _Used()
    found.feed(html)
    return found.names | {name for style in found.styles for name in _of_style(style)}


def _of_style(style: str) -> Iterator[str]:
    for declaration in filter(None, (one.strip() for one in style.split(";"))):
        name, _colon, value = declaration.partition(":")
        name = name.strip()
        yield f"css-{name}"
        yield from (f"css-{stem}" for stem in _STEMS if name.startswith(f"{stem}-"))
        if name == "display":
            yield f"css-display-{value.split()[0]}"
        if "!important" in value:
            yield "css-important"


def unknown(html: str, data: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return what a mail uses that some program does not know, or knows in part: by its name, the programs."""
    names = used(html)
    return {
        one["slug"]: programs for one in data if one["slug"] in names and (programs := list(_lacking(one["stats"])))
    }


def _lacking(stats: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Iterator[str]:
    for family in FAMILIES:
        for platform, versions in stats.get(family, {}).items():
            support = list(versions.values())[-1]
            if (family, platform) not in _GONE and not support.startswith("y"):
                yield f"{family} {platform} ({'in part' if support.startswith('a') else 'not'})"
