"""Compiled pieces: canonical quoted-printable, cut at places that a value of any length drops into."""

import html
import quopri

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core import mailtext
from core.mailtext import CLOSE, OPEN, place
from delivery import content
from delivery.content import Part, PlaceOf
from tests.delivery import by_character

AWKWARD = [
    *(
        ".",
        "..",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\n\n",
        "From ",
        "From",
        "F",
        "rom ",
        "=",
        "=20",
        "\0",
        "\x85",
        "\u2028",
    ),
    *(
        "\x0b",
        "\x0c",
        "\x1c",
        "a",
        "word ",
        "x" * 74,
        "x" * 75,
        "x" * 76,
        "é",
        "م",
        "漢",
        "🕊️",
        "\u202e",
        "e\u0301",
        "-- ",
    ),
]
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
awkward_text = st.lists(st.sampled_from(AWKWARD), max_size=40).map("".join)
texts = st.one_of(any_text, awkward_text, st.tuples(awkward_text, any_text, awkward_text).map("".join))
lines_only = texts.map(lambda text: text.replace("\r", ""))
marks = st.sampled_from([str(place("preferences")), str(place("unsubscribe"))])


def as_sent(text: str) -> str:
    """Return what a reader's mail program has, written in the plainest way there is."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def decoded(encoded: bytes) -> str:
    return quopri.decodestring(encoded).decode("utf-8")


def in_text(pieces: content.Pieces, values: dict[str, str]) -> bytes:
    return content.fill(pieces, {name: content.forms(value)[0] for name, value in values.items()})


def in_html(pieces: content.Pieces, values: dict[str, str]) -> bytes:
    return content.fill(pieces, {name: content.forms(value)[1] for name, value in values.items()})


def assert_canonical(encoded: bytes) -> None:
    """No relay has a reason to touch it, and no signature breaks."""
    assert encoded.isascii()
    lines = encoded.split(b"\r\n")
    assert lines.pop() == b"", "whole lines"
    for line in lines:
        assert len(line) <= 76
        assert not line.startswith((b".", b"From ")), "no dot-stuffing, no >From"
        assert not line.endswith((b" ", b"\t")) and b"  " not in line and b"\t" not in line
        assert all(32 <= octet < 127 for octet in line), "only CRLF ends a line"


@given(texts)
@example("")
@example("\n")
@example("a" * 76 + "\n")
@example(" " * 200)
@example("From " * 40)
@example("." * 200)
@example("é" * 100)
@example("x" * 74 + " \n.")
@example("x" * 75 + ".")
@example("x" * 75 + "From here")
def test_what_is_encoded_decodes_to_the_text_with_crlf_and_is_canonical(text):
    encoded = content.encode(text)
    assert decoded(encoded) == as_sent(text)
    assert_canonical(encoded)


runs = st.lists(
    st.tuples(st.sampled_from([*" .=FromaZ~!", "From", "é", "漢", "🕊", "\t", "\n"]), st.integers(1, 90)).map(
        lambda run: run[0] * run[1]
    ),
    max_size=12,
).map("".join)
links = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567/:.-_%?&;#~FromT="), max_size=400)


@given(st.one_of(texts, runs, links))
@example("")
@example("https://news.example.org/unsubscribe/asia-daily/t/" + "a" * 47)
@example("a" * 75)
@example("a" * 150)
@example("a" * 75 + "." + "a" * 74)
@example("a" * 75 + "From")
@example("From" + "a" * 71)
@example("a" * 75 + " ")
@example("a" * 74 + "  " + "a" * 74 + " \n ")
@example("a" * 72 + "=")
@example("a" * 73 + "é")
@example("é" * 12 + "a" * 3 + "🕊" * 10)
@example("a b" * 24 + "   ")
def test_the_quick_encoder_writes_the_very_bytes_of_the_one_that_takes_a_character_at_a_time(text):
    assert content.encode(text) == by_character.encode(text)


def test_a_story_of_five_megabytes_is_encoded_whole():
    text = (
        "".join(("A ferry,  a fährt .", "\u0645\u0631\u062d\u0628\u0627 " * 40, "漢字" * 60, "x" * 5000, "\n From "))
        * 900
    )
    assert len(text.encode()) > 5_000_000
    encoded = content.encode(text)
    assert decoded(encoded) == as_sent(text)
    assert max(map(len, encoded.split(b"\r\n"))) == 76


@given(lines_only, st.lists(st.integers(0, 400), max_size=5))
def test_pieces_cut_anywhere_join_to_the_same_text(text, places):
    bounds = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    joined = b"".join(content.encode(text[start:end]) for start, end in zip(bounds, bounds[1:], strict=False))
    assert decoded(joined) == as_sent(text)
    assert_canonical(joined)


@given(st.lists(st.one_of(lines_only, marks), max_size=8), lines_only, lines_only)
def test_values_of_any_length_drop_into_their_places_and_change_no_neighbour(template, first, second):
    text = "".join(part if part.startswith(OPEN) else mailtext.without_marks(part) for part in template)
    pieces = content.cut(text)
    filled = in_text(pieces, {"preferences": first, "unsubscribe": second})
    expected = text.replace(str(place("preferences")), "\0one\0").replace(str(place("unsubscribe")), "\0two\0")
    assert decoded(filled) == as_sent(expected.replace("\0one\0", first).replace("\0two\0", second))
    assert_canonical(filled)
    others = in_text(pieces, {"preferences": "", "unsubscribe": "x" * 500})
    for piece in pieces:
        if isinstance(piece, bytes):
            assert piece in filled and piece in others


@given(texts)
def test_a_value_in_html_is_escaped_and_in_text_it_is_not(value):
    pieces = content.cut(f'<a href="{place("preferences")}">')
    values = {"preferences": value}
    shown = decoded(in_html(pieces, values))
    assert html.unescape(shown) == html.unescape(html.escape(as_sent(f'<a href="{value}">')))
    assert shown.count("<") == shown.count(">") == 1 and shown.count('"') == 2
    assert decoded(in_text(pieces, values)) == as_sent(f'<a href="{value}">')


def test_a_value_that_looks_like_a_place_is_no_place():
    value = f"{OPEN}unsubscribe{CLOSE}"
    filled = in_text(content.cut(str(place("preferences"))), {"preferences": value})
    assert decoded(filled) == value


def test_a_missing_value_is_an_error_never_a_hole():
    with pytest.raises(ValueError, match="no such value"):
        in_text(content.cut(f"a{place('confirm')}b"), {"preferences": "x"})


def test_text_without_places_is_one_piece_and_no_text_is_none():
    assert content.cut("one\ntwo\n") == (b"one\r\ntwo\r\n",)
    assert content.cut("") == ()
    assert content.cut(f"{place('a')}{place('b')}") == (PlaceOf("a"), PlaceOf("b"))


parts = st.builds(
    lambda one, two, name: Part(content.cut(f"{one}{place(name)}{two}"), content.cut(f"{place(name)}{one}")),
    texts,
    texts,
    st.sampled_from(["preferences", "unsubscribe", "a_b"]),
)


@given(parts, parts)
def test_parts_are_stored_and_read_back_as_they_were(head, foot):
    assert Part.from_json(head.to_json()) == head
    assert content.shell_from_json(content.shell_json(head, foot)) == (head, foot)


DAMAGED = {
    "no JSON": "{",
    "nothing": "",
    "too deep": "[" * 100_000,
    "a list": "[]",
    "no HTML": '{"text": []}',
    "pieces that are none": '{"text": "abc", "html": []}',
    "a number": '{"text": [1], "html": []}',
    "a place without a name": '{"text": [[]], "html": []}',
    "raw UTF-8": '{"text": ["é\\r\\n"], "html": []}',
    "half a line": '{"text": ["abc"], "html": []}',
    "a bare line feed": '{"text": ["a\\nb\\r\\n"], "html": []}',
    "the end of a mail": '{"text": ["a\\r\\n.\\r\\n"], "html": []}',
    "a boundary": '{"text": ["a\\r\\n--=_postrider--\\r\\n"], "html": []}',
    "an = that is none": '{"text": ["a=zz\\r\\n"], "html": []}',
    "a long line": '{"text": ["' + "a" * 77 + '\\r\\n"], "html": []}',
}


@pytest.mark.parametrize("stored", DAMAGED.values(), ids=DAMAGED)
def test_a_stored_part_that_was_damaged_is_an_error_not_a_mail(stored):
    with pytest.raises(ValueError, match="stored"):
        Part.from_json(stored)
    with pytest.raises(ValueError, match="stored"):
        content.shell_from_json(f"[{stored}, {stored}]" if stored != "[]" else stored)


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=3), st.builds(PlaceOf, st.sampled_from("ab")))))
def test_merged_pieces_are_as_few_as_can_be_and_say_the_same(pieces):
    fewer = content.merged(pieces)
    values = {"a": b"<a>", "b": b"<b>"}
    assert content.fill(fewer, values) == content.fill(tuple(pieces), values)
    fixed = [isinstance(piece, bytes) for piece in fewer]
    assert not any(one and next_one for one, next_one in zip(fixed, fixed[1:], strict=False)) and b"" not in fewer


def test_the_places_of_parts_are_known():
    one = Part(content.cut(f"a{place('confirm')}"), content.cut("b"))
    two = Part((), content.cut(f"{place('preferences')}{place('unsubscribe')}"))
    assert content.places(one, two) == {"confirm", "preferences", "unsubscribe"}
    assert content.places() == content.places(Part((), ())) == frozenset()


def mail(text: str, markup: str) -> mailtext.Mail:
    return mailtext.Mail("en", "Subject", text, markup)


PAGE = (
    "<html><head><style>p {{ color: red }} @media print {{ p {{ color: blue }} }}</style></head><body>{}</body></html>"
)


def test_a_whole_mail_keeps_its_places_in_text_and_html_with_its_styles_on_the_elements():
    link = place("confirm")
    part = content.compile_mail(mail(f"Open {link}", PAGE.format(f'<p><a href="{link}">Yes</a></p>')))
    assert content.places(part) == {"confirm"}
    values = {"confirm": "https://example.org/confirm/t/abc?a=1&b=2"}
    text = decoded(in_text(part.text, values))
    markup = decoded(in_html(part.html, values))
    assert text == "Open https://example.org/confirm/t/abc?a=1&b=2\r\n"
    assert 'href="https://example.org/confirm/t/abc?a=1&amp;b=2"' in markup
    assert '<p style="color: red;">' in markup and "@media print" in markup
    assert markup.endswith("\n"), "a boundary must follow on a line of its own"


def test_a_frame_is_cut_where_it_says_blocks():
    text = f"Top {place('preferences')}\n{place('blocks')}\nBottom {place('unsubscribe')}"
    markup = PAGE.format(f"<p>Top</p>{place('blocks')}<p><a href='{place('unsubscribe')}'>x</a></p>")
    head, foot = content.compile_shell(mail(text, markup))
    assert content.places(head) == {"preferences"} and content.places(foot) == {"unsubscribe"}
    block = Part(content.cut("A story.\n"), content.cut("<h2>A story</h2>\n"))
    values = {"preferences": "P", "unsubscribe": "U"}
    whole = [b"".join(in_text(part.text, values) for part in (head, block, foot))]
    assert decoded(whole[0]) == "Top P\r\nA story.\r\n\r\nBottom U\r\n"
    joined = b"".join(in_html(part.html, values) for part in (head, block, foot))
    order = [decoded(joined).index(word) for word in ("Top", "A story", 'href="U"', "</html>")]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("text", "markup"), [("no place", f"<p>{place('blocks')}</p>"), (f"{place('blocks')}", "<p>no place</p>"), ("", "")]
)
def test_a_frame_without_a_place_for_its_blocks_is_an_error(text, markup):
    with pytest.raises(ValueError, match="place for its blocks"):
        content.compile_shell(mail(text, markup))


def test_a_fragment_gets_its_styles_and_stays_a_fragment():
    shown = content.inline_fragment("<h2 class='big'>News &amp; more</h2>", ".big { font-size: 20px; }")
    assert 'style="font-size: 20px;"' in shown and "News &amp; more" in shown and "<body" not in shown
