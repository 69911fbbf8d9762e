"""The catalogues: every language has every message, whole, and no text of a template stands outside of them."""

import gettext
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from jinja2 import Environment

from core.language import SOURCE_LANGUAGE
from tools import messages

ROOT = messages.ROOT
TEMPLATES = ROOT / "templates"
LANGUAGES = sorted(messages.catalogues())

PLACEHOLDER = re.compile(r"%(?:\(\w+\)[a-z]|.|$)", re.DOTALL)
MARKUP = re.compile(r"</?[a-zA-Z][^>]*>|&#?\w+;")
NUMBERS = {"%(num)s", "%(number)s", "%(count)s"}
"""The placeholders that stand for the number a plural form is chosen by."""

SHOWN_ATTRIBUTES = {"alt", "aria-description", "aria-label", "data-done", "label", "placeholder", "title"}
NO_TEXT = {"kind", "style", "dark_style", "narrow_style", "tied", "cell"}
"""The blocks that a layout places in a class or in a style sheet, and macros that make attributes."""
EXCUSED = {
    ("inbox/layout.html", "Postrider"),  # our name
    ("inbox/mail.html", "MAIL FROM"),  # SMTP's own words
    ("inbox/mail.html", "RCPT TO"),
}


@pytest.fixture(scope="module")
def template() -> Catalog:
    return messages.extracted()


@pytest.fixture(scope="module", params=LANGUAGES)
def catalogue(request: pytest.FixtureRequest) -> Catalog:
    return messages.read(request.param)


def entries(catalogue: Catalog) -> dict[tuple[object, str | None], Message]:
    return {(message.id, message.context): message for message in catalogue if message.id}


def sources(message: Message) -> list[str]:
    return list(message.id) if isinstance(message.id, list | tuple) else [message.id]


def forms(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, list | tuple) else [message.string or ""]


def placeholders(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text)) - {"%%"}


def numbers_by_form(catalogue: Catalog) -> dict[int, list[int]]:
    form_of = gettext.c2py(catalogue.plural_expr)
    chosen: dict[int, list[int]] = {form: [] for form in range(catalogue.num_plurals)}
    for number in range(1000):
        chosen[form_of(number)].append(number)
    return chosen


def differences(message: Message, catalogue: Catalog) -> Iterator[str]:
    """Yield what a translation has lost or made up: placeholders, tags and entities. A form that stands for one number
    only, such as the Arabic ones for 0, 1 and 2, may say it as a word.
    """
    source = sources(message)[-1]
    numbers = numbers_by_form(catalogue) if len(sources(message)) > 1 else {}
    for form, text in enumerate(forms(message)):
        if not text:
            continue  # another test's business
        may_miss = NUMBERS if len(numbers.get(form, ())) == 1 else set()
        if made_up := placeholders(text) - placeholders(source):
            yield f"{text!r} has {sorted(made_up)}, which {source!r} has not"
        if lost := placeholders(source) - placeholders(text) - may_miss:
            yield f"{text!r} has lost {sorted(lost)} of {source!r}"
        if Counter(MARKUP.findall(text)) != Counter(MARKUP.findall(source)):
            yield f"{text!r} has not the tags and entities of {source!r}"


class _Shown(HTMLParser):
    """Gathers what a page shows or reads out: its text, and the attributes that are text."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._unseen = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen = tag in ("script", "style")
        named = dict(attrs)
        self.texts += [named[name] or "" for name in SHOWN_ATTRIBUTES & named.keys()]
        if tag == "meta" and named.get("name") == "description":
            self.texts.append(named.get("content") or "")

    def handle_endtag(self, _tag: str) -> None:
        self._unseen = False

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.texts.append(data)


def pieces(source: str) -> Iterator[tuple[str, str]]:
    """Yield a template's texts as they are, and its expressions and statements as the names in them."""
    names: list[str] = []
    for _line, kind, value in Environment(autoescape=True, extensions=["jinja2.ext.i18n"]).lex(source):
        if kind in ("block_begin", "variable_begin"):
            names = []
        elif kind == "name":
            names.append(value)
        elif kind in ("block_end", "variable_end"):
            yield kind, " ".join(names)
        elif kind == "data":
            yield kind, value


def literal_source(source: str) -> str:
    """Return what stands in a template outside of statements, expressions, comments and translated passages."""
    kept: list[str] = []
    inside: list[str] = []
    translated = False
    for kind, text in pieces(source):
        if kind == "block_end":
            statement, name = [*text.split(), ""][:2]
            translated = statement in ("trans", "pluralize")
            if statement in ("block", "macro"):
                inside.append(name)
            elif statement in ("endblock", "endmacro"):
                inside.pop()
        elif kind == "data" and not translated and not NO_TEXT.intersection(inside):
            kept.append(text)
        elif kind == "variable_end" and kept and kept[-1].endswith(("<", "</")):
            kept.append("b")  # an expression that names an element
    return "".join(kept)


def shown_literals(source: str, *, html: bool) -> list[str]:
    """Return the texts with letters in them that a template shows as they stand in it."""
    literal = literal_source(source)
    texts = [literal]
    if html:
        parser = _Shown()
        parser.feed(literal)
        parser.close()
        texts = parser.texts
    lines = (" ".join(re.sub(r"^\W+|\W+$", "", line).split()) for text in texts for line in text.splitlines())
    return [line for line in lines if any(letter.isalpha() for letter in line)]


@pytest.fixture(scope="module")
def literals() -> set[tuple[str, str]]:
    paths = [path for path in sorted(TEMPLATES.rglob("*")) if path.suffix in (".html", ".txt")]
    assert paths
    return {
        (path.relative_to(TEMPLATES).as_posix(), text)
        for path in paths
        for text in shown_literals(path.read_text("utf-8"), html=path.suffix == ".html")
    }


def test_every_language_of_the_demo_but_the_source_has_a_catalogue():
    demo = tomllib.loads((ROOT / "demo" / "postrider.toml").read_text("utf-8"))
    spoken = set(demo["publication"]["languages"])
    assert SOURCE_LANGUAGE in spoken
    assert spoken - {SOURCE_LANGUAGE} <= set(LANGUAGES)


def test_every_message_of_the_code_stands_in_the_catalogue(catalogue: Catalog, template: Catalog):
    missing = entries(template).keys() - entries(catalogue).keys()
    assert not missing, "The cure: make messages, then translate what is empty"


def test_no_message_is_empty_in_any_of_its_forms(catalogue: Catalog):
    empty = [key for key, message in entries(catalogue).items() if not all(text.strip() for text in forms(message))]
    assert not empty


def test_the_plural_forms_are_those_of_the_language(catalogue: Catalog):
    assert catalogue.locale is not None
    kind_of = catalogue.locale.plural_form  # as CLDR has it: zero, one, two, few, many, other
    kinds = {form: {kind_of(number) for number in numbers} for form, numbers in numbers_by_form(catalogue).items()}
    assert [len(found) for found in kinds.values()] == [1] * catalogue.num_plurals
    assert len(set.union(*kinds.values())) == catalogue.num_plurals
    plurals = [message for message in entries(catalogue).values() if len(sources(message)) > 1]
    assert [message.id for message in plurals if len(forms(message)) != catalogue.num_plurals] == []


def test_no_message_is_fuzzy(catalogue: Catalog):
    assert not catalogue.fuzzy
    assert [key for key, message in entries(catalogue).items() if message.fuzzy] == []


def test_no_entry_is_obsolete(catalogue: Catalog, template: Catalog):
    assert list(catalogue.obsolete) == []
    gone = entries(catalogue).keys() - entries(template).keys()
    assert not gone, "The cure: make messages"


def test_a_translation_has_the_placeholders_and_tags_of_its_message(catalogue: Catalog):
    assert [found for message in entries(catalogue).values() for found in differences(message, catalogue)] == []


@pytest.mark.parametrize(
    ("said", "translated"),
    [
        ("For %(address)s", "للعنوان"),
        ("For %(address)s", "للعنوان %(adress)s"),
        ("For %(address)s", "للعنوان %(address)"),
        ("All topics", "كل المواضيع 100%"),
        ('<a href="%(link)s">Subscribe</a>', '<a href="%(link)s">الاشتراك'),
        ('<a href="%(link)s">Subscribe</a>', '<a title="%(link)s">الاشتراك</a>'),
        ("Questions&nbsp;?", "لديك سؤال؟"),
        (("%(num)s story", "%(num)s stories"), ("لا أخبار", "خبر", "خبران", "أخبار", "%(num)s خبرًا", "%(num)s خبر")),
        (("%(num)s of %(topic)s", "%(num)s of %(topic)s"), ("%(topic)s", "عن", *["%(num)s %(topic)s"] * 4)),
        (("%(num)s story", "%(num)s stories"), ("لا أخبار", "%(count)s خبر", "خبران", *["%(num)s خبر"] * 3)),
    ],
)
def test_a_lost_or_made_up_placeholder_or_tag_is_noticed(said, translated):
    assert list(differences(Message(said, translated), Catalog(locale="ar"))) != []


def test_a_form_for_one_number_may_say_it_as_a_word():
    words = ("لا أخبار", "خبر واحد", "خبران", "%(num)s أخبار", "%(num)s خبرًا", "%(num)s خبر")
    assert list(differences(Message(("%(num)s story", "%(num)s stories"), words), Catalog(locale="ar"))) == []


def test_every_text_of_a_template_goes_through_the_catalogues(literals: set[tuple[str, str]]):
    unmarked = sorted(literals - EXCUSED)
    assert not unmarked, 'The cure: {{ _("…") }} or {% trans trimmed %}…{% endtrans %}'


def test_what_is_excused_from_translation_still_stands_there(literals: set[tuple[str, str]]):
    assert literals >= EXCUSED


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Hello</p>", ["Hello"]),
        ("<p>{{ name }} wrote:<br>{{ text }}</p>", ["wrote"]),
        ('<a href="/x" aria-label="Read {{ name }}">{{ name }}</a>', ["Read"]),
        ('<img alt="A house">', ["A house"]),
        ('<meta name="description" content="News">', ["News"]),
        ("{% trans %}Kept{% endtrans %} lost", ["lost"]),
        ("{% block main %}{% if here %}Yes{% endif %}{% endblock %}", ["Yes"]),
        ('{% trans n=2 %}{{ n }} story{% pluralize %}{{ n }} stories{% endtrans %} · {{ _("Read") }}', []),
        ("<style>p { color: red }</style>{# A note #}<p>– &nbsp;</p>", []),
        ('{% block kind %}narrow stack{% endblock %}<p class="quiet">{% trans %}Kept{% endtrans %}</p>', []),
        ('<{{ level }} class="x"{% if on %} aria-current="page"{% endif %}>{{ text }}</{{ level }}>', []),
    ],
)
def test_a_text_outside_of_the_catalogues_is_noticed(source, found):
    assert shown_literals(source, html=True) == found


def test_a_text_of_a_plain_mail_is_noticed():
    path = Path("body.txt")
    assert shown_literals("{{ _('Kept') }}:\nGoodbye, {{ name }}\n", html=path.suffix == ".html") == ["Goodbye"]
