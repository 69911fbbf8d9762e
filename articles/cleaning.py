"""What a feed wrote, made safe: plain text for the short fields, a few harmless tags for the body."""

import html
import re
import unicodedata
from collections import Counter
from contextlib import suppress
from typing import Literal

import nh3

from core import characters

_Relative = Literal["deny"] | tuple[Literal["rewrite_with_base"], str]

_TAGS = {"p", "br", "h2", "h3", "ul", "ol", "li", "blockquote", "em", "strong", "a"}
_RENAMED = {
    **dict.fromkeys(("div", "section", "article", "header", "footer", "td", "th", "dt", "dd", "pre", "center"), "p"),
    **dict.fromkeys(("h4", "h5", "h6"), "h3"),
    "h1": "h2",
    "b": "strong",
    "i": "em",
}
# Their text is no part of the story. A picture has been taken out before, with its caption (pictures_found).
_DROPPED = {
    *("script", "style", "noscript", "template", "head", "title", "svg", "math", "iframe", "object", "embed"),
    *("form", "button", "select", "textarea", "figure", "picture", "video", "audio", "canvas", "map"),
}
_PARTING = {"p", "br", "h2", "h3", "ul", "ol", "li", "blockquote", "hr", "table", "tr"} | {
    tag for tag in _RENAMED if tag not in ("b", "i")
}
_SCHEMES = {"https", "http", "mailto"}
_RENAMING = re.compile(f"<(/?)({'|'.join(_RENAMED)})>")
# nh3 writes < and > in the value of an attribute as entities, so a tag ends at the first >.
_EMPTY = re.compile(r"<(p|h2|h3|ul|ol|li|blockquote|em|strong|a)(?: [^>]*)?>(?:\s|&nbsp;|<br>)*</\1>")
_IMG = {
    *("src", "srcset", "data-src", "data-srcset", "data-lazy-src", "data-original"),
    *("alt", "width", "height", "role", "aria-hidden"),
}
"""What is read of a picture. Sites that show pictures late write the address elsewhere than in `src`."""
_TAG = re.compile("<(/?)([a-zA-Z][a-zA-Z0-9-]*)")
# Elements that are empty, or that the next of their kind closes.
_FLAT = {
    *("br", "hr", "img", "col", "wbr", "input", "link", "meta", "source", "p", "a", "li", "dd", "dt", "option"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "thead", "tbody", "tfoot", "tr", "td", "th"),
}

_LINE_BREAKS = {ord(char): " " for char in "\t\n\v\f\r\x85\u2028\u2029"}
_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0), 0xFEFF) if chr(code) not in "\t\n"}
# U+E000 and U+E001 enclose the places for personal values in a mail (core.mailtext): no text brings them in.
_HIDDEN = {**_CONTROLS, 0xE000: None, 0xE001: None}
_PLAIN = {**_HIDDEN, **dict.fromkeys(map(ord, characters.BIDI + characters.NEEDLESS)), **_LINE_BREAKS}


def plain(text: str, *, most: int) -> str:
    """Return `text` on one line, cut to `most` characters, without control, bidi and place characters and without
    those that only say where a line may break.
    """
    return cut(" ".join(unicodedata.normalize("NFC", text.translate(_PLAIN)).split()), most=most)


def text_of(markup: str) -> str:
    """Return the text of HTML: no tags (a block's become a space), entities decoded; not yet `plain`."""
    tags = nh3.clean(markup, tags=_PARTING, clean_content_tags=_DROPPED, attributes={"*": set()}, link_rel=None)
    return html.unescape(re.sub("<[^>]*>", " ", tags))


def cut(text: str, *, most: int) -> str:
    """Return `text` if it has at most `most` characters; else the whole words that fit, with an ellipsis."""
    if len(text) <= most:
        return text
    head = text[: most - 1]
    at_word = head.rpartition(" ")[0] if text[most - 1] != " " else head
    if len(at_word) < most // 2:
        # No spaces, as in Chinese: cut anywhere, but never between a letter and its mark.
        while head and unicodedata.category(text[len(head)]).startswith("M"):
            head = head[:-1]
        at_word = head
    return at_word.rstrip(" ,;:–—-،؛、，") + "…"


def body(markup: str, *, base: str | None = None) -> str:
    """Return the story's HTML with harmless tags only; links are absolute, or made so on `base`, or gone.

    Cleaning again changes nothing.
    """
    relative = _relative(base)
    markup = _nh3(markup, _TAGS | _RENAMED.keys(), relative)
    # By now entities are characters, so hidden ones show. Whatever this opens up is cleaned once more.
    markup = _RENAMING.sub(lambda tag: f"<{tag[1]}{_RENAMED[tag[2]]}>", markup.translate(_HIDDEN))
    return without_empty(_nh3(markup, _TAGS, relative))


def without_empty(markup: str) -> str:
    """Return clean HTML without the elements that have nothing in them: a link without a text is read as nothing."""
    while (shorter := _EMPTY.sub("", markup)) != markup:
        markup = shorter
    return markup.strip()


def with_pictures(markup: str, *, base: str | None = None) -> str:
    """Return HTML with `img`, `figure` and `figcaption` still in it, well-formed, for pictures to be taken out of it.

    What is left must go through `body`.
    """
    return nh3.clean(
        markup,
        tags=_TAGS | _RENAMED.keys() | {"img", "figure", "figcaption"},
        clean_content_tags=_DROPPED - {"figure", "picture"},
        attributes={"a": {"href"}, "img": _IMG, "*": set()},
        url_schemes=_SCHEMES,
        url_relative=_relative(base),
        link_rel=None,
    )


def depth(markup: str) -> int:
    """Return how deep the elements of HTML lie in each other, at most: those that a next one does not close."""
    is_open: Counter[str] = Counter()
    now = deepest = 0
    for slash, name in _TAG.findall(markup):
        tag = name.lower()
        if tag in _FLAT or (slash and not is_open[tag]):
            continue
        step = -1 if slash else 1
        is_open[tag] += step
        now += step
        deepest = max(deepest, now)
    return deepest


def paragraphs(text: str) -> str:
    """Return plain text as HTML: a blank line parts paragraphs, a line break stays one."""
    parts = (part.strip() for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n")))
    return "".join("<p>" + html.escape(part, quote=False).replace("\n", "<br>") + "</p>" for part in parts if part)


def _relative(base: str | None) -> _Relative:
    """Return what becomes of relative links: nh3 is asked whether it can take `base` as one."""
    if base:
        with suppress(ValueError):
            nh3.clean("", url_relative=("rewrite_with_base", base))
            return ("rewrite_with_base", base)
    return "deny"


def _nh3(markup: str, tags: set[str], relative: _Relative) -> str:
    return nh3.clean(
        markup,
        tags=tags,
        clean_content_tags=_DROPPED,
        attributes={"a": {"href"}, "*": set()},  # "*", or title and lang stay everywhere
        url_schemes=_SCHEMES,
        url_relative=relative,
        link_rel="noopener noreferrer",
    )
