"""What a friend's mail shows of a story: in which language, of which rights. And an address is one, however typed."""

from dataclasses import replace

import pytest

from articles import related
from articles.models import Article
from core.database import db
from tests.sharing.desk import WIDE, Desk

FRIEND = "jo@example.org"


def test_the_mail_is_in_the_language_of_the_story_and_the_notice_in_that_of_its_sender(one_desk: Desk):
    article = one_desk.article("서울과 아바나", language="ko")
    one_desk.post(one_desk.wish(article, FRIEND), one_desk.reader())
    one_desk.work()
    (mail,), (notice,) = one_desk.mail_to(FRIEND), one_desk.mail_to("mara@example.org")
    assert 'lang="ko"' in mail.html and "Read the story" not in mail.text and "asked us" not in mail.text
    assert "A story was sent in your name" in notice.html


def test_see_also_names_three_stories_at_most_and_none_that_may_not_be_passed_on(one_desk: Desk):
    article = one_desk.article()
    alike = [one_desk.article(f"Alike {number}", shareable=number != 1) for number in range(5)]
    with one_desk.services_turn():
        picked = [db.session.get_one(Article, one) for one in alike]
        related.pick(db.session.get_one(Article, article), picked)
    for number, given in enumerate((WIDE, replace(WIDE, see_also=True))):
        one_desk.post(one_desk.wish(article, f"jo{number}@example.org"), one_desk.reader())
        one_desk.work(given=given)
    (without,), (mail,) = one_desk.mail_to("jo0@example.org"), one_desk.mail_to("jo1@example.org")
    assert "Alike" not in without.text + without.html
    for words in (mail.text, mail.html):
        assert "See also" in words and [number for number in range(5) if f"Alike {number}" in words] == [0, 2, 3]


@pytest.mark.parametrize("read_at", ["publisher", "postrider"])
def test_of_a_story_that_is_read_on_its_publishers_page_nothing_but_the_teaser_goes_out(one_desk: Desk, read_at: str):
    article = one_desk.article()
    rights = {"teaser_only": True, "read_at": read_at, "url": "https://paper.example/story", "body": "<p>Secret.</p>"}
    one_desk.change(article, **rights, dateline_place="Seoul")
    one_desk.post(one_desk.wish(article, FRIEND), one_desk.reader())
    one_desk.work(given=replace(WIDE, count_reads=True))
    (mail,) = one_desk.mail_to(FRIEND)
    for words in (mail.text, mail.html):
        assert "Secret" not in words and "Seoul –" not in words
        assert ("https://paper.example/story" in words) is (read_at == "publisher")
        assert ("#from-a-friend" in words) is (read_at == "postrider")


@pytest.mark.parametrize(
    "typed", ["JO+x@Bücher.example", "jo@xn--bcher-kva.example", "Jo@BÜCHER.example", "jo@bu\u0308cher.example"]
)
def test_an_opt_out_is_of_an_address_however_it_is_typed(one_desk: Desk, typed: str):
    one_desk.house.suppress("jo@bücher.example", "share")
    one_desk.post(one_desk.wish(one_desk.article(), typed), one_desk.reader())
    assert [(friend.state, friend.sealed) for friend in one_desk.friends()] == [("dropped", None)]
