"""Texts of mails: places are made by templates alone, values are escaped where it is HTML, and none may be missing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import TemplateNotFound, UndefinedError
from markupsafe import Markup

from core import mailtext
from core.mailtext import CLOSE, OPEN, PLACE, place
from core.settings import ROOT

FORGED = f"{OPEN}unsubscribe{CLOSE}"
PIECES = {
    "plain.txt": "{{ value }}",
    "plain.html": "<p title='{{ value }}'>{{ value }}</p>",
    "joined.txt": "{{ [value, value] | join(', ') }}{{ value | upper }}{{ value ~ value }}",
    "looped.txt": "{% for one in [value] %}{{ one }}{% endfor %}",
    "attribute.txt": "{{ holder.name }}{{ holder['name'] }}",
    "translated.txt": "{% trans name=value %}Hello {{ name }}.{% endtrans %}",
    "translated.html": "{% trans name=value %}Hello {{ name }}.{% endtrans %}{{ _('On %(day)s', day=value) }}",
    "macro.html": "{% macro shown(text) %}<b>{{ text }}</b>{% endmacro %}{{ shown(value) }}",
    "included.txt": "{% with inner=value %}{% include 'plain.txt' %}{% endwith %}",
    "added.txt": "{{ place('unsubscribe') + value }}",
    "set.txt": "{% set kept = value %}{{ kept }}",
    "block.txt": "{% set kept %}{{ value }}{% endset %}{{ kept }}",
}
WHOLE = {
    "hello/subject.txt": "Hello,\n  {{ name }}!  \n",
    "hello/body.txt": "{{ name }}: {{ place('preferences') }}\n",
    "hello/body.html": "<p dir={{ direction }} lang={{ language }}>{{ name }} <a href={{ place('preferences') }}>x</a>",
}


@pytest.fixture(autouse=True)
def templates(tmp_path, monkeypatch):
    """Mails of our own, in the place of the product's."""
    for name, text in {**PIECES, **WHOLE}.items():
        path = tmp_path / "templates" / "mail" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    monkeypatch.setattr(mailtext, "FOLDER", tmp_path / "templates" / "mail")
    mailtext.environment.cache_clear()
    yield
    mailtext.environment.cache_clear()


class Holder:
    """Something with an attribute, and an item, of the same name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getitem__(self, _key: str) -> str:
        return self.name


def rendered(piece: str, value: object) -> str:
    return mailtext.render_piece(piece, "en", {"value": value, "holder": Holder(str(value))})


@pytest.mark.parametrize("kind", [str, Markup], ids=["text", "safe HTML"])
@pytest.mark.parametrize("piece", PIECES)
def test_no_value_brings_in_a_place(piece, kind):
    text = rendered(piece, kind(f"a{FORGED}b"))
    assert PLACE.findall(text) == [], "a value that is glued to a place costs the place, which every test then sees"
    assert OPEN not in text and CLOSE not in text and "b" in text.lower()


marks = st.lists(st.sampled_from([OPEN, CLOSE, "unsubscribe", "confirm", "a_b", " ", "x", "<", "&"]), max_size=12)


@given(st.sampled_from(sorted(set(PIECES) - {"added.txt"})), marks.map("".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_value_is_made_of_only_its_marks_are_taken_out(piece, value):
    text = rendered(piece, value)
    assert OPEN not in text and CLOSE not in text
    assert text == rendered(piece, mailtext.without_marks(value))


def test_the_templates_own_places_stay_between_values_that_try_to_make_some():
    mail = mailtext.render("hello", "en", {"name": f"{OPEN}x{CLOSE}{OPEN}"})
    assert PLACE.findall(mail.text) == PLACE.findall(mail.html) == ["preferences"]
    assert mail.subject == "Hello, x!", "a subject has no places, and is one line"


def test_html_is_escaped_and_text_is_not():
    value = "<b>\"Fish\" & 'chips'</b>"
    assert rendered("plain.txt", value) == value
    shown = rendered("plain.html", value)
    assert "<b>" not in shown and "&lt;b&gt;&#34;Fish&#34; &amp; &#39;chips&#39;" in shown
    assert rendered("translated.txt", value) == f"Hello {value}."
    assert "<b>" not in rendered("translated.html", value)
    assert rendered("macro.html", value).startswith("<b>&lt;b&gt;")


def test_what_is_safe_html_already_is_not_escaped_twice():
    assert rendered("plain.html", Markup("<i>a</i>")).endswith("><i>a</i></p>")


@pytest.mark.parametrize("values", [{}, {"nam": "x"}])
def test_a_missing_value_is_an_error_never_a_hole(values):
    with pytest.raises(UndefinedError):
        mailtext.render("hello", "en", values)


@pytest.mark.parametrize("piece", ["plain.txt", "plain.html", "joined.txt", "looped.txt", "translated.txt"])
def test_a_missing_value_is_an_error_in_a_piece_too(piece):
    with pytest.raises(UndefinedError):
        mailtext.render_piece(piece, "en", {})


def test_a_missing_attribute_is_an_error():
    with pytest.raises(UndefinedError):
        mailtext.render_piece("attribute.txt", "en", {"holder": object()})


def test_an_unknown_mail_is_an_error():
    with pytest.raises(TemplateNotFound):
        mailtext.render("nothing-here", "en", {})


def test_a_mail_knows_its_language_and_direction():
    assert "<p dir=ltr lang=en>" in mailtext.render("hello", "en", {"name": "x"}).html
    assert "<p dir=rtl lang=ar>" in mailtext.render("hello", "ar", {"name": "x"}).html
    assert mailtext.render("hello", "ar", {"name": "x"}).language == "ar"


@pytest.mark.parametrize("name", ["preferences", "unsubscribe", "confirm", "blocks", "a_b"])
def test_a_place_is_found_again_by_its_name(name):
    assert PLACE.findall(f"<a href='{place(name)}'>") == [name]
    assert PLACE.sub("X", f"a{place(name)}b{place(name)}") == "aXbX"


def test_every_mail_of_the_product_has_a_subject_a_text_and_an_html():
    folders = [path for path in (ROOT / "templates" / "mail").iterdir() if path.is_dir()]
    assert folders
    for folder in folders:
        assert {"subject.txt", "body.txt", "body.html"} <= {path.name for path in folder.iterdir()}
