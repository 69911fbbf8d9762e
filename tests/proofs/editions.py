"""Editions, readers and letters drawn by a seed: what two splicers are given, neither of them having a hand in it.

A template is a string in which ⟦name⟧ stands where a reader's own link goes. This module knows nothing of the product.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WORDS = {
    "English": "island ferry school minister harbour agrees the of a on Monday notes monsoon bell village map",
    "Français": "île bateau école été façade naïve où garçon œuvre déjà à l'aube",
    "العربية": "جزيرة عبّارة مدرسة وزير ميناء القرية خريطة اليوم في من إلى",
    "中文": "岛屿 渡轮 学校 部长 港口 村庄 地图 季风 消息 今天",
    "Русский": "остров паром школа министр гавань сегодня карта деревня",
    "हिन्दी": "द्वीप नौका विद्यालय मंत्री बंदरगाह गाँव मानचित्र",
    "emoji": "🕊️ 👩\u200d👩\u200d👧\u200d👦 🇵🇭 e\u0301 Z\u0335\u0321 ok 🚢",
}
AWKWARD = [
    *(".", "..", ". dot first", "From here", "From", "=", "=20", "=E2=80", "a  b", "   three", "behind   "),
    *("\t", "<b>&amp;</b>", "x < y & z > 'q' \"r\"", "--", "-- ", "--=_postrider", "--=_postrider--", "\u202e", "\xa0"),
    *("LONG0189" * 9, "LONG0189" * 40, "é" * 40, "漢" * 26, "A" * 75, "A" * 74 + ".", "A" * 75 + ".", "A" * 76),
    *(
        "\x0b",
        "\x0c",
        "\x85",
        "\u2028",
        "=?utf-8?B?eA==?=",
        "{preferences}",
        "%(to)s",
        "\r",
        "%s",
        "\\",
        "$unsubscribe",
    ),
]
LINK_SETS = {
    "none": (),
    "reader": ("preferences", "why", "unsubscribe"),
    "request": ("confirm",),
    "friend": ("share_opt_out",),
}
SUBJECTS = [
    *("{word} and {word} exchange notes", "=?utf-8?Q?not_encoded?=", "{word} " * 40, "A" * 200, ".", "From {word}"),
    'He said "{word}", twice \\ or thrice',
]


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """An installation: where its links lead, its secret key, and the domains of its Message-IDs and bounces."""

    base_url: str
    secret_key: bytes
    domain: str
    bounce_domains: dict[str, str]


HOSTS = [
    "http://127.0.0.1:8200",
    "http://n.test",
    "https://news.example.org",
    "https://" + ".".join(["monsoon" * 8] * 4) + ".example.org",
    "https://example.org/.From=20&'%3D..=",
    "https://example.org/" + "A" * 55 + ".." + "A" * 73 + "From.A",
]
STRANGE_HOST = "https://example.org/é 漢  <\"&'> =.From "
"""Nothing that a setting would take: here it is the value that is proved. No header can hold it."""


@dataclass(frozen=True, slots=True, eq=False)
class Edition:
    """One content: its headers, and its parts in order as (text, HTML) templates. `digest` is empty in system mails."""

    number: int
    house: House
    language: str
    lane: str
    digest: str
    link_set: str
    format: str
    sender_name: str
    sender: str
    reply_to: str | None
    list_id: str | None
    feedback: str
    subject: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Letter:
    """One delivery: which edition to whom, and when it was first tried."""

    number: int
    edition: Edition
    to: str
    key: bytes
    version: int
    at: datetime


def houses(seed: int) -> list[House]:
    """Return installations whose links are short, long, and full of what mail and HTML treat with care."""
    chance = random.Random(f"houses {seed}")
    lanes = ("transactional", "breaking", "share", "digest")
    return [
        House(
            base_url=base_url,
            secret_key=chance.randbytes(32),
            domain=f"m{number}.example.org",
            bounce_domains={lane: f"{lane[0]}{number}.bounces.example.org" for lane in lanes},
        )
        for number, base_url in enumerate([*HOSTS, STRANGE_HOST])
    ]


def editions(seed: int, count: int) -> list[Edition]:
    """Return `count` contents; stories are shared between those of one language."""
    chance = random.Random(f"editions {seed}")
    built = houses(seed)
    stories = {language: [_story(chance, language) for _ in range(40)] for language in WORDS}
    return [_edition(chance, number, built, stories) for number in range(count)]


def _edition(
    chance: random.Random, number: int, built: Sequence[House], stories: dict[str, list[tuple[str, str]]]
) -> Edition:
    house = chance.choice(built)
    lane = (
        "transactional" if house.base_url == STRANGE_HOST else chance.choice(["transactional", *house.bounce_domains])
    )
    system = lane == "transactional"
    link_set = chance.choice(
        [*LINK_SETS, "reader", "request"] if system else ["none", "reader", "reader", "reader", "friend"]
    )
    language = list(WORDS)[number % len(WORDS)]
    digest = "" if system else chance.choice(["asia-daily", "d" * 40, "a b/ü?&", "x"])
    head, foot = _frame(chance, language, LINK_SETS[link_set])
    told = chance.choices(stories[language], k=chance.choice([0, 1, 2, 3, 5, 8, 25]))
    if link_set == "reader" and chance.random() < 0.5:
        told = [_sharable(number, text, markup) for number, (text, markup) in enumerate(told)]
    return Edition(
        number=number,
        house=house,
        language=language,
        lane=lane,
        digest=digest,
        link_set=link_set,
        format=chance.choice(["both", "both", "text"]),
        sender_name=chance.choice(["The Monsoon Courier", 'The "Courier" \\ Co.', "بريد الرياح الموسمية", "é" * 60]),
        sender=f"news@m{number}.example.org",
        reply_to=chance.choice([None, "desk@monsoon.example.org"]),
        list_id=None if system else f"<d{number}.monsoon.example.org>",
        feedback=f"d{number}:{lane}:postrider:monsoon",
        subject=" ".join(chance.choice(SUBJECTS).replace("{word}", chance.choice(WORDS[language].split())).split()),
        parts=(head, *told, foot),
    )


def _sharable(number: int, text: str, markup: str) -> tuple[str, str]:
    """Return a story with the link beside it that sends it to a friend: a reader's token in a link of the story's."""
    link = f"https://news.example.org/en/a{number}-{'x' * (number * 7 % 60)}/send/t/⟦share⟧"
    return f"{text}{link}\n", f'{markup}<a href="{link}">Send</a>\n'


def _frame(chance: random.Random, language: str, names: Sequence[str]) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return head and foot: each link at least once in text and HTML, in all sorts of places of a line."""
    text, html = _passage(chance, language), f"<html><body><p>{_passage(chance, language)}</p>"
    foot_text, foot_html = "\n", "\n"
    for name in names:
        mark = f"⟦{name}⟧"
        around = [f"{mark}\n", f". {mark}  ", f"  {mark}.", f"From{mark}=", f"{'A' * chance.randrange(80)}{mark}", mark]
        foot_text += "".join(chance.sample(around, 3)) + _passage(chance, language)
        foot_html += f"<a href=\"{mark}\">{_passage(chance, language)}</a><a href='{mark}'>{mark}</a>"
    if names and chance.random() < 0.3:
        text += f"\n⟦{names[0]}⟧"
    return (text, html), (f"{foot_text}\n", f"{foot_html}</body></html>\n")


def _story(chance: random.Random, language: str) -> tuple[str, str]:
    sentences = [_passage(chance, language) for _ in range(chance.choice([1, 1, 2, 4, 9]))]
    text = "\n".join([*sentences, ""])
    return text, "".join(f'<p style="margin: 0 0 1em">{sentence}</p>\n' for sentence in sentences)


def _passage(chance: random.Random, language: str) -> str:
    words = chance.choices(WORDS[language].split(), k=chance.choice([1, 4, 12, 40]))
    for _ in range(chance.choice([0, 0, 1, 3])):
        words.insert(chance.randrange(len(words) + 1), chance.choice(AWKWARD))
    return chance.choice([" ", " ", "  ", "\n", "\r\n"]).join(words)


def letters(seed: int, share: int, count: int, contents: Sequence[Edition]) -> Iterator[Letter]:
    """Yield `count` deliveries of random editions; some readers come again with another digest, link or day."""
    chance = random.Random(f"letters {seed} {share}")
    readers: list[tuple[str, bytes]] = []
    for number in range(count):
        if not readers or chance.random() < 0.9:
            readers = [*readers[-500:], (_address(chance, share, number), chance.randbytes(16))]
        to, key = readers[-1] if chance.random() < 0.9 else chance.choice(readers)
        yield Letter(
            number=(share << 40) + number * 3 + 1,
            edition=chance.choice(contents),
            to=to,
            key=key,
            version=chance.choice([0, 1, 1, 2, 255, 256, 32767]),
            at=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=chance.randrange(10**14 * 30)),
        )


def _address(chance: random.Random, share: int, number: int) -> str:
    local = chance.choice(["reader", "r.e+a", "a" * 40, "x=y", "o'neil"] * 4 + ["δοκιμή", "用户"])
    return f"{local}.{share}.{number}@readers.example.org"
