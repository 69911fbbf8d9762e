"""From a wish to the mails: who is asked, who is told, what a friend gets, and what becomes of a friend unseen."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from core import clock, errors, tokens
from core.database import db
from core.shares import ShareSettings
from delivery.models import Delivery, Lane
from sharing import confirming, friends, optout, senders
from sharing.models import Friend, ShareOnce
from sharing.switch import Mode
from tests.digests.house import NOW
from tests.sharing.desk import HOUR, MINUTE, SENDER, WIDE, Desk, address

DAY = timedelta(days=1)


def states(desk: Desk) -> list[str]:
    return [friend.state for friend in desk.friends()]


def test_who_typed_an_address_is_asked_and_nothing_else_leaves(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo@example.org", "li@example.com", name="Mara"))
    desk.work()
    (mail,) = desk.mails()
    assert mail.to == SENDER and "j***@e***.org" in mail.text and "l***@e***.com" in mail.text
    assert "Mara" not in mail.text + mail.html and "jo@" not in mail.text + mail.html
    assert "/share/confirm/t/" in mail.text and "/share/confirm/t/" in mail.html
    assert [share.state for share in desk.shares()] == ["asked"]
    desk.work(at=NOW + MINUTE)
    assert len(desk.mails()) == 1


def test_the_button_in_that_mail_sends_and_works_once(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo@example.org"))
    desk.work()
    (share,) = desk.shares()
    assert desk.confirm(share) is True
    assert desk.confirm(share) is False
    desk.work()
    assert [mail.to for mail in desk.mails()] == [SENDER, SENDER, "jo@example.org"]
    desk.work()
    assert len(desk.mails()) == 3
    assert [share.state for share in desk.shares()] == ["queued"]


def test_a_question_works_for_a_day(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo@example.org"))
    desk.work()
    with pytest.raises(errors.LinkExpired):
        desk.confirm(desk.shares()[0], at=NOW + DAY)


def test_a_share_of_a_digests_link_is_confirmed_by_no_other_link(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo@example.org"), desk.reader())
    token = tokens.Token(desk.shares()[0].public_id, 0, clock.day_number(NOW))
    with pytest.raises(errors.LinkExpired):
        confirming.open_share(token, NOW)


def test_the_mail_to_a_friend_says_who_sends_it_and_holds_nothing_of_anybody_else(desk: Desk):
    article = desk.article("Seoul & Havana", body="<p>First <b>words</b>.</p><p>Second.</p>")
    reader = desk.reader()
    desk.post(desk.wish(article, "jo@example.org", "li@example.org", name="Mara <b>"), reader)
    desk.work()
    (mail,) = desk.mail_to("jo@example.org")
    parsed = mail.parsed
    assert parsed["Subject"] == "Seoul & Havana"
    assert parsed["From"] == "The Monsoon Courier <news@monsoon.example.org>"
    assert parsed["Reply-To"] == SENDER
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/share/never/t/" in parsed["List-Unsubscribe"]
    assert f"Mara <b> ({SENDER}) asked us to send you this story." in mail.text
    assert "Mara &lt;b&gt;" in mail.html and "Mara <b>" not in mail.html
    assert "Seoul (Masthead) – First words." in mail.text and "Second" not in mail.text
    assert "1 Quay Street, Hong Kong" in mail.text
    assert "li@example.org" not in mail.text + mail.html
    for one in re.findall(r"/t/([a-z2-7]{47})", mail.text + mail.html):
        desk.services.links.tokens.read(tokens.Purpose.SHARE_OPT_OUT, one)
    assert "subscribe" not in mail.text.lower() and "See also" not in mail.text
    links = re.findall(r"https?://[^\s\"<>]+", mail.text + mail.html)
    assert "<img" not in mail.html and links and not [link for link in links if "?" in link]


def test_see_also_and_subscribe_stand_in_it_where_the_publisher_may(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo@example.org"), desk.reader())
    desk.work(given=replace(WIDE, subscribe=True, count_reads=True))
    (mail,) = desk.mail_to("jo@example.org")
    assert "/en/subscribe" in mail.text and "/en/subscribe" in mail.html
    assert "#from-a-friend" in mail.text


def test_the_note_stands_in_it_only_where_notes_are_on(desk: Desk):
    article, reader = desk.article(), desk.reader()
    desk.post(desk.wish(article, "jo@example.org", note="You will like this"), reader)
    desk.work()
    assert "You will like this" not in desk.mail_to("jo@example.org")[0].text
    desk.post(desk.wish(article, "li@example.org", note="You will like this"), reader)
    desk.work(given=replace(WIDE, note=True))
    assert "> You will like this" in desk.mail_to("li@example.org")[0].text


def test_each_line_of_a_note_is_quoted_so_that_none_reads_like_ours(one_desk: Desk):
    note = "Look\nRead the story:\nhere"
    one_desk.post(one_desk.wish(one_desk.article(), "jo@example.org", note=note), one_desk.reader())
    one_desk.work(given=replace(WIDE, note=True))
    assert "\n> Look\n> Read the story:\n> here\n" in one_desk.mail_to("jo@example.org")[0].text


def test_the_sender_is_told_the_same_whoever_the_friends_are(desk: Desk):
    article, reader = desk.article(), desk.reader()
    desk.house.suppress("off@example.org", "share")
    told = set()
    for friend in ("off@example.org", "one@example.org", "old@example.org", "one@example.org"):
        desk.post(desk.wish(article, friend), reader)
        before = len(desk.mail_to(SENDER))
        desk.work()
        mails = desk.mail_to(SENDER)
        assert len(mails) == before + 1
        told.add(re.sub(r"/t/\w+", "", mails[-1].text))
    assert len(told) == 1
    assert "We don’t say whether it arrived" in told.pop()
    assert states(desk) == ["dropped", "queued", "queued", "dropped"]


def test_a_friend_gets_a_story_once_for_ever_from_anybody_in_any_language(desk: Desk):
    first = desk.article()
    with desk.services_turn():
        story = desk.story_of(first)
    second = desk.article("서울", language="ar", story=story)
    for number, article in enumerate((first, first, second)):
        friend, at = "jo+tag@example.org" if number else "jo@example.org", NOW + number * 40 * DAY
        desk.post(desk.wish(article, friend), desk.reader(f"r{number}@example.org"), at=at)
        desk.work(at=at)
    assert states(desk) == ["queued", "dropped", "dropped"]
    assert desk.house.count(ShareOnce) == 1


def test_a_friend_gets_two_stories_a_day_and_five_a_month_from_all_together(desk: Desk):
    sent = []
    for number in range(9):
        at = NOW + (number // 3) * DAY + number * MINUTE
        reader = desk.reader(f"r{number}@example.org")
        desk.post(desk.wish(desk.article(f"Story {number}"), "jo@example.org"), reader, at=at)
        desk.work(at=at)
        sent.append(desk.friends()[-1].state == "queued")
    assert sent == [True, True, False, True, True, False, True, False, False]


def test_a_domain_that_has_enough_waits_and_loses_nothing(desk: Desk):
    given = replace(WIDE, per_domain_hour=1)
    desk.post(desk.wish(desk.article(), "jo@example.org", "li@example.org"), desk.reader())
    desk.work(given=given)
    assert sorted(states(desk)) == ["queued", "waiting"]
    desk.work(at=NOW + 11 * MINUTE, given=given)
    assert sorted(states(desk)) == ["queued", "waiting"]
    desk.work(at=NOW + HOUR + 11 * MINUTE, given=given)
    assert states(desk) == ["queued", "queued"]


def test_a_friend_who_opts_out_while_it_waits_gets_nothing(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo@example.org"))
    desk.work()
    desk.house.suppress("jo@example.org", "share")
    desk.confirm(desk.shares()[0])
    desk.work()
    assert states(desk) == ["dropped"] and desk.mail_to("jo@example.org") == []


@pytest.mark.parametrize("column", ["state", "shareable"])
def test_nothing_goes_out_of_a_story_that_may_not_be_sent_any_more(desk: Desk, column: str):
    article = desk.article()
    desk.post(desk.wish(article, "jo@example.org"), desk.reader())
    desk.change(article, **{column: {"state": "withdrawn", "shareable": False}[column]})
    desk.work()
    assert desk.mails() == [] and [(one.state, one.refusal) for one in desk.shares()] == [("refused", "gone")]


def test_what_the_ledger_has_does_not_leave_when_its_story_is_taken_back(desk: Desk):
    article = desk.article()
    desk.post(desk.wish(article, "jo@example.org"), desk.reader())
    desk.work()
    desk.change(article, state="withdrawn")
    desk.work(at=NOW + MINUTE)
    assert desk.send() == [SENDER]


def test_an_opt_out_holds_for_what_the_ledger_has(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo@example.org"), desk.reader())
    desk.work()
    link = re.search(r"/share/never/t/(\w+)", desk.mail_to("jo@example.org")[0].text)
    assert link
    token = desk.services.links.tokens.read(tokens.Purpose.SHARE_OPT_OUT, link[1])
    with desk.services_turn():
        owner = optout.open_link(token)
        assert optout.opt_out(owner, everything=False, source="link", now=NOW) is True
        assert optout.opt_out(owner, everything=False, source="link", now=NOW) is False
    assert desk.send() == [SENDER]


def test_an_opt_out_holds_for_what_the_ledger_has_for_another_plus_tag(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo+a@example.org"), desk.reader())
    desk.post(desk.wish(desk.article("Another story"), "jo+b@example.org"), desk.reader())
    desk.work()
    with desk.services_turn():
        key = db.session.get_one(Friend, desk.keyring.hash(address("jo+a@example.org"))).public_id
        owner = optout.open_link(tokens.Token(key, 0, 0))
        optout.opt_out(owner, everything=False, source="link", now=NOW)
    assert desk.send() == [SENDER, SENDER]


def test_friends_mails_have_a_lane_of_their_own_before_digests(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo@example.org"), desk.reader())
    desk.work()
    assert sorted(desk.all(Delivery, "lane")) == [Lane.TRANSACTIONAL, Lane.SHARE]


def test_an_inbox_is_asked_three_times_a_day_whoever_types_it(desk: Desk):
    for number in range(5):
        stranger = senders.stranger(address(f"victim+{number}@example.org"))
        desk.post(desk.wish(desk.article(), f"f{number}@example.org"), stranger)
    desk.work(given=replace(WIDE, questions_day=ShareSettings().questions_day))
    assert len(desk.mails()) == 3
    assert [share.refusal for share in desk.shares()] == [None] * 3 + ["question"] * 2


def test_who_never_wants_to_be_asked_again_is_not(desk: Desk):
    desk.house.suppress(SENDER, "share")
    desk.post(desk.wish(desk.article(), "jo@example.org"))
    desk.work()
    assert desk.mails() == [] and desk.shares()[0].refusal == "opted_out"


def test_never_ask_me_again_is_said_for_every_plus_tag(desk: Desk):
    desk.post(desk.wish(desk.article(), "jo@example.org"), senders.stranger(address("mara+1@example.org")))
    desk.work()
    (share,) = desk.shares()
    with desk.services_turn():
        owner = optout.open_link(tokens.Token(share.public_id, 0, 0))
        optout.opt_out(owner, everything=False, source="link", now=NOW)
    for typed in ("mara+2@example.org", "mara@example.org"):
        desk.post(desk.wish(desk.article(), "jo@example.org"), senders.stranger(address(typed)))
    desk.work(at=NOW + MINUTE)
    assert [share.refusal for share in desk.shares()] == [None, "opted_out", "opted_out"]


def test_turned_away_from_verified_nothing_of_what_waits_goes_out(desk: Desk):
    article, reader = desk.article(), desk.reader()
    desk.post(desk.wish(article, "jo@example.org"), reader)
    desk.work()
    desk.post(desk.wish(article, "li@example.org"), reader)
    desk.turn(Mode.MAILTO)
    desk.turn(Mode.VERIFIED)
    desk.work(at=NOW + MINUTE)
    assert desk.send() == [SENDER]
    assert [share.state for share in desk.shares()] == ["queued", "ended"]


def test_two_tasks_at_once_send_one_mail(desk: Desk, at_once):
    desk.post(desk.wish(desk.article(), "jo@example.org"), desk.reader())
    desk.work(given=replace(WIDE, per_domain_hour=1))
    (friend,) = desk.friends()
    assert friend.state == "queued"
    desk.post(desk.wish(desk.shares()[0].article_id, "li@example.org"), desk.reader("o@example.org"))
    desk.work_shares()
    (waiting,) = friends.waiting(10, now=NOW)
    at_once(*[lambda: desk.decide(waiting)] * 4)
    assert len(desk.mail_to("li@example.org")) == 1
