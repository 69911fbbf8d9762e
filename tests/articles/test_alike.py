"""Two texts are one story when most of what they say is said in the same words; and only then."""

import hashlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from articles import alike, feeds, ingest, words
from core import database
from core.database import db
from tests.articles import atom
from tests.articles.atom import NOW, entry

HOUR = timedelta(hours=1)
WORDS = [f"word{number}" for number in range(400)]
STORY = " ".join(WORDS[:200])
CHINESE = "韩国与古巴宣布建立外交关系双方在纽约互换照会大使将于今年晚些时候赴任两国此前从未有过正式往来" * 3 + "".join(
    chr(0x4E00 + number) for number in range(150)
)


def edited(text: str, *, every: int) -> str:
    """Return a text in which every so manieth word is another one."""
    return " ".join(f"new{at}" if at % every == every - 1 else word for at, word in enumerate(text.split()))


def item(name: str, text: str, **values):
    return entry(name, title=values.pop("title", f"Headline {name}"), content=f"<p>{text}</p>", **values)


texts = st.lists(st.sampled_from(WORDS[:30]), max_size=80).map(" ".join)


@given(texts, texts)
def test_likeness_is_the_share_of_common_runs_of_five_words(one, other):
    def runs(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}

    union = runs(one) | runs(other)
    expected = len(runs(one) & runs(other)) / len(union) if union else 0.0
    assert alike.likeness(alike.shingles(one), alike.shingles(other)) == pytest.approx(expected)


@given(st.text(alphabet="ab é首爾\ud800🙂,ก", max_size=80))
def test_shingles_are_the_hashes_of_each_five_parts_in_a_row(text):
    parts = words.in_order(text)
    rows = ["\n".join(parts[at : at + 5]).encode("utf-8", "surrogatepass") for at in range(len(parts) - 4)]
    hashes = (hashlib.blake2b(row, digest_size=8).digest() for row in rows)
    assert alike.shingles(text) == {int.from_bytes(one, "big") >> 1 for one in hashes}


def test_case_accents_and_marks_make_no_other_text():
    assert alike.shingles("The café — it’s OPEN, today!") == alike.shingles("the cafe: it s open today")


@pytest.mark.parametrize(("every", "is_one"), [(200, True), (60, True), (20, False), (5, False)])
def test_a_lightly_edited_story_is_the_same_and_a_rewritten_one_is_not(desk, every, is_one):
    desk.take(item("a", STORY))
    desk.take(item("b", edited(STORY, every=every)), at=NOW + HOUR)
    assert len(desk.articles()) == (1 if is_one else 2)


def test_a_story_that_comes_again_follows_its_edited_text(desk):
    desk.take(item("a", STORY))
    assert desk.take(item("b", edited(STORY, every=100)), at=NOW + HOUR) == ingest.Ingested(0, 1, 0, 0)
    (article,) = desk.articles()
    assert "new99" in article.body and article.revision == 2
    assert desk.take(item("b", edited(STORY, every=100)), at=NOW + HOUR) == ingest.Ingested(0, 0, 1, 0)


def test_two_guids_of_one_story_in_one_feed_do_not_pull_it_to_and_fro(desk):
    both = [item("a", STORY), item("b", edited(STORY, every=100))]
    desk.take(*both)
    (article,) = desk.articles()
    revision = article.revision
    for hour in range(3):
        desk.take(*both, at=NOW + hour * HOUR)
    assert len(desk.articles()) == 1 and desk.articles()[0].revision == revision


def test_the_same_story_of_another_feed_is_no_second_one_and_does_not_change_the_first(desk, app):
    desk.take(item("a", STORY))
    with database.write_turn():
        other = feeds.ensure("https://agency.example.net/en.atom", language="en", now=NOW).id
        text = edited(STORY, every=100)
        again = ingest.store_entries(other, atom.feed(item("z", text, url="https://agency.example.net/z")), NOW + HOUR)
        db.session.commit()
    (article,) = desk.articles()
    assert (again.new, again.changed, article.revision) == (0, 0, 1)
    assert "new99" not in article.body


def test_another_language_is_another_text(desk):
    desk.take(item("a", STORY))
    desk.take(item("b", STORY), language="ar")
    assert len(desk.articles("en")) == len(desk.articles("ar")) == 1


def test_short_texts_may_come_again_with_other_figures(desk):
    report = "Markets closed higher in Seoul today, the index rose to {} points."
    for name, figure in (("a", "2,600"), ("b", "2,601")):
        desk.take(item(name, report.format(figure), title=f"Markets {name}"))
    assert len(desk.articles()) == 2


def test_chinese_is_compared_sign_by_sign(desk):
    desk.take(item("a", CHINESE), language="ar")
    desk.take(item("b", CHINESE.replace("大使", "代表", 1)), language="ar")
    assert len(desk.articles("ar")) == 1
    desk.take(item("c", CHINESE[::-1]), language="ar")
    assert len(desk.articles("ar")) == 2


def test_after_three_days_the_same_text_is_a_story_of_its_own(desk):
    desk.take(item("a", STORY))
    desk.take(item("b", edited(STORY, every=100)), at=NOW + timedelta(hours=73))
    assert len(desk.articles()) == 2
    kept = db.session.scalars(select(alike.Shingle)).all()
    assert len(kept) == alike.KEPT, "what is too old is let go"
