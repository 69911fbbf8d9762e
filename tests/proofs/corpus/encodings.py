"""Feeds in many encodings, those that lie about theirs, and characters that do not belong."""

import codecs
from collections.abc import Iterator

from tests.proofs.corpus.model import Member, Story
from tests.proofs.corpus.writing import item, look, response, rss, took, turned_away

_DECLARED = {
    "latin-1": ("iso-8859-1", "Café crème à l’étranger".replace("’", "'")),
    "latin-9": ("iso-8859-15", "Prices in € at the cœur"),
    "windows-1252": ("windows-1252", "“Quoted” – with dashes… and €"),
    "windows-1251": ("windows-1251", "Паром опоздал на час"),
    "windows-1256": ("windows-1256", "تأخرت العبارة ساعة"),
    "koi8-r": ("koi8-r", "Мост закрыт на зиму"),
    "gb2312": ("gb2312", "渡轮晚点一小时"),
    "gb18030": ("gb18030", "渡轮晚点一小时 𠮷野家"),
    "big5": ("big5", "渡輪誤點一小時"),
    "shift jis": ("shift_jis", "フェリーが一時間遅れた"),
    "euc-jp": ("euc-jp", "橋は冬の間閉鎖される"),
    "iso-2022-jp": ("iso-2022-jp", "市場は朝に開く"),
    "euc-kr": ("euc-kr", "여객선이 한 시간 늦었다"),
    "tis-620": ("tis-620", "เรือข้ามฟากล่าช้า"),
}
_MARKED = {
    "utf-8 with a mark": ("utf-8", codecs.BOM_UTF8),
    "utf-16 little": ("utf-16-le", codecs.BOM_UTF16_LE),
    "utf-16 big": ("utf-16-be", codecs.BOM_UTF16_BE),
    "utf-16 without a mark": ("utf-16-le", b""),
    "utf-32 little": ("utf-32-le", codecs.BOM_UTF32_LE),
}


def members() -> Iterator[Member]:
    """Return the classes of this module."""
    yield from _declared()
    yield from _lies()
    yield from _controls()
    yield from _hidden()


def _feed(title: str, encoding: str, declared: str | None = None) -> bytes:
    said = "" if declared == "" else f'<?xml version="1.0" encoding="{declared or encoding}"?>'
    return rss(item(title), declared=said).encode(encoding)


def _declared() -> Iterator[Member]:
    for name, (encoding, title) in _DECLARED.items():
        yield Member("encodings", name, (look(response(_feed(title, encoding)), took(1)),), (Story(title),))
    for name, (encoding, mark) in _MARKED.items():
        title = f"Été, зима, 夏 – {name}"
        feed = mark + _feed(title, encoding, encoding.partition("-le")[0].partition("-be")[0])
        yield Member("encodings", name, (look(response(feed), took(1)),), (Story(title),))


def _lies() -> Iterator[Member]:
    latin = "Une école à côté"
    kind = "encodings that are not as declared"
    taken = {
        "utf-8 that says utf-16": ("A bell, été", _feed("A bell, été", "utf-8", "utf-16"), "application/xml"),
        "gbk that says gb2312": ("朱镕基访问 髙", _feed("朱镕基访问 髙", "gbk", "gb2312"), "application/xml"),
        "the header says otherwise": (
            "Ça, déclaré en UTF-8",
            _feed("Ça, déclaré en UTF-8", "utf-8"),
            "text/xml; charset=iso-8859-1",
        ),
        "the mark against the declaration": (
            "À la marque",
            codecs.BOM_UTF8 + _feed("À la marque", "utf-8", "iso-8859-1"),
            "text/xml",
        ),
        "only the header says it": (f"{latin} (1)", _feed(f"{latin} (1)", "latin-1", ""), "text/xml; charset=latin1"),
        "an encoding in capitals": ("ÉTÉ", _feed("ÉTÉ", "latin-1", "ISO-8859-1"), "text/xml"),
    }
    for name, (title, feed, content_type) in taken.items():
        yield Member(kind, name, (look(response(feed, kind=content_type), took(1)),), (Story(title),))
    refused = {
        "latin-1 that nobody declares": (_feed(latin, "latin-1", ""), "not in the encoding utf-8"),
        "latin-1 that says utf-8": (_feed(latin, "latin-1", "utf-8"), "not in the encoding utf-8"),
        "an encoding that nobody knows": (_feed(latin, "latin-1", "x-nobody"), "nobody knows its encoding x-nobody"),
        "punycode": (_feed("A bell", "utf-8", "punycode"), "punycode is no encoding of feeds"),
        "rot13": (_feed("A bell", "utf-8", "rot13"), "rot-13 is no encoding of feeds"),
        "utf-7": (b'<?xml version="1.0" encoding="utf-7"?>+ADw-rss/+AD4-', "utf-7 is no encoding of feeds"),
        "half a character at the end": (_feed(latin, "utf-16-le", "utf-16")[:-1], "not in the encoding utf-16-le"),
    }
    for name, (feed, why) in refused.items():
        yield Member(kind, name, (turned_away(response(feed), why),))


def _controls() -> Iterator[Member]:
    kind = "control characters and null bytes"
    taken = {
        "null bytes": ("The null\0 bell", "The null bell"),
        "a vertical tab and a form feed": ("The\x0btab \x0cbell", "Thetab bell"),
        "escape sequences of a terminal": ("The \x1b[31mred bell", "The [31mred bell"),
        "c1 controls, which windows means otherwise": ("The \x85old\x9b bell", "The …old› bell"),
        "no characters": ("The no\ufffe bell\uffff", "The no bell"),
        "line ends in a headline": ("The\r\nBcc: x@example.org\rbell", "The Bcc: x@example.org bell"),
    }
    for name, (written, title) in taken.items():
        feed = rss(item(written, guid=f"c:{name}", link=None))
        yield Member(kind, name, (look(feed, took(1)),), (Story(title),))
    numbered = rss(item("Numbered bell").replace("Numbered", "Num&#0;bered&#x1F;"), item("Another bell"))
    yield Member(
        kind,
        "references to control characters",
        (look(numbered, took(2)),),
        (Story("Numbered bell"), Story("Another bell")),
    )


def _hidden() -> Iterator[Member]:
    kind = "bidi and zero-width characters"
    taken = {
        "right-to-left override": ("Pay \u202etnuocca\u202c here", "Pay tnuocca here"),
        "isolates": ("\u2066Old\u2069 \u2067news\u2069 of bells", "Old news of bells"),
        "zero-width spaces": ("In\u200bvisible\ufeff gates", "Invisible gates"),
        "soft hyphens and joiners": ("Soft\u00ad hyphen\u2060 day", "Soft hyphen day"),
        "private use": ("Private \ue000use\ue001 of it", "Private use of it"),
        "marks without a letter": ("E\u0301te\u0301 again", "Été again"),
    }
    for name, (written, title) in taken.items():
        yield Member(kind, name, (look(rss(item(written, guid=f"h:{name}")), took(1)),), (Story(title),))
    nothing = rss(item("\u200b\u202e\ufeff", guid="h:none"), item("Seen at least"))
    yield Member(kind, "nothing to be seen", (look(nothing, took(1, refused=1)),), (Story("Seen at least"),))
