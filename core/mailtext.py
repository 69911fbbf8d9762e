"""Texts of mails: each mail has a folder of its own, templates/mail/<name>/ with subject.txt, body.txt and body.html.

Personal values are not rendered: `place('name')` leaves a mark where the post office later drops them in.
"""

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    select_autoescape,
)
from markupsafe import Markup

from core import language as languages
from core.settings import ROOT

FOLDER = ROOT / "templates" / "mail"
OPEN, CLOSE = "\ue000", "\ue001"
"""Private-use characters around a place's name. No value can bring them in: see `_without_marks`."""
PLACE = re.compile(f"{OPEN}([a-z_]+){CLOSE}")


@dataclass(frozen=True, slots=True)
class Mail:
    """A rendered mail. The texts may hold places; `html` is a whole document whose CSS is not inlined yet."""

    language: str
    subject: str
    text: str
    html: str


class Place(Markup):
    """The mark of a personal value in a rendered text."""


def place(name: str) -> Place:
    """Return the mark for the personal value `name`: lower-case letters and underscores."""
    return Place(f"{OPEN}{name}{CLOSE}")


def without_marks(text: str) -> str:
    """Return `text` without the two characters that make a place."""
    return text.replace(OPEN, "").replace(CLOSE, "")


def _without_marks(value: object) -> object:
    if not isinstance(value, str) or (isinstance(value, Place) and PLACE.fullmatch(value)):
        return value
    return type(value)(without_marks(value))


@lru_cache
def environment(language: str) -> Environment:
    """Return the Jinja2 environment of one language's mails: HTML is escaped, an unknown value is an error."""
    loader = FileSystemLoader(FOLDER)
    env = Environment(
        loader=loader,
        autoescape=select_autoescape(("html",), default=False),
        undefined=StrictUndefined,
        finalize=_without_marks,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.install_gettext_translations(languages.translations(language), newstyle=True)  # type: ignore[attr-defined]
    direction, upright = languages.direction(language), languages.is_upright(language)
    env.globals.update(place=place, language=language, direction=direction, upright=upright)
    env.globals.update(direction_of=languages.direction)
    return env


def mistake(error: TemplateError) -> str:
    """Return what is wrong with a template in one sentence, with its file and line where they are known."""
    where = ""
    if isinstance(error, TemplateSyntaxError):
        where = f"{error.name}, line {error.lineno}: "
    else:
        frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename.startswith(str(FOLDER))]
        where = f"{Path(frames[-1].filename).relative_to(FOLDER)}, line {frames[-1].lineno}: " if frames else ""
    return f"A template of the mail has a mistake. {where}{error.message}"


def render_piece(template: str, language: str, values: Mapping[str, object]) -> str:
    """Return one rendered template of templates/mail, such as `digest/story.html`."""
    return environment(language).get_template(template).render(values)


def render(name: str, language: str, values: Mapping[str, object]) -> Mail:
    """Return the mail `name` in `language`. Raises jinja2.UndefinedError when a value is missing."""
    return Mail(
        language=language,
        subject=" ".join(render_piece(f"{name}/subject.txt", language, values).split()),
        text=render_piece(f"{name}/body.txt", language, values),
        html=render_piece(f"{name}/body.html", language, values),
    )
