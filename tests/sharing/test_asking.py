"""What a request writes down, what it costs, and what it never tells."""

from dataclasses import asdict, replace

import pytest

from core import errors, shares
from core.windows import Windows
from sharing import asking
from sharing.asking import Answer
from sharing.models import ShareRefusal
from sharing.switch import Mode
from tests.digests.house import NOW
from tests.sharing.desk import WIDE, Desk, address


def test_a_wish_is_a_row_and_its_friends_with_sealed_addresses(desk: Desk):
    article = desk.article()
    assert desk.post(desk.wish(article, "jo@example.org", "li@example.org")) is Answer.TAKEN
    (share,) = desk.shares()
    assert (share.state, share.article_id, share.name, share.language) == ("new", article, "Mara", "en")
    assert desk.unsealed(share.sender_sealed, share.sender_hash) == "mara@example.org"
    assert share.origin_truncated == "192.0.2.0/24"
    found = [(desk.unsealed(one.sealed, one.addr_hash), one.masked, one.state) for one in desk.friends()]
    assert found == [("jo@example.org", "j***@e***.org", "waiting"), ("li@example.org", "l***@e***.org", "waiting")]


def test_a_reader_from_their_digest_is_proven_at_once(desk: Desk):
    reader = desk.reader()
    desk.post(desk.wish(desk.article(), "jo@example.org"), reader)
    (share,) = desk.shares()
    assert (share.state, share.subscriber_id, share.token_hash) == ("confirmed", reader.subscriber_id, reader.link_hash)


def test_the_same_form_sent_twice_is_one_wish_and_costs_once(desk: Desk):
    wish = desk.wish(desk.article(), "jo@example.org", "li@example.org")
    tight = replace(WIDE, per_sender_day=3)
    assert desk.post(wish, given=tight) is Answer.TAKEN
    assert desk.post(wish, given=tight) is Answer.TAKEN
    assert desk.post(desk.wish(wish.article_id, "ed@example.org"), given=tight) is Answer.TAKEN
    assert len(desk.shares()) == 2


def test_the_address_of_a_friend_who_opted_out_is_not_kept_and_nothing_else_differs(desk: Desk):
    desk.house.suppress("jo@example.org", "share")
    wish = desk.wish(desk.article(), "jo@example.org", "li@example.org")
    assert desk.post(wish) is Answer.TAKEN
    assert [(one.state, one.sealed is None, one.masked) for one in desk.friends()] == [
        ("dropped", True, "j***@e***.org"),
        ("waiting", False, "l***@e***.org"),
    ]


def test_whoever_opted_out_did_so_with_every_plus_tag(desk: Desk):
    desk.house.suppress("jo@example.org", "all")
    desk.post(desk.wish(desk.article(), "jo+again@example.org"))
    assert [one.state for one in desk.friends()] == ["dropped"]


@pytest.mark.parametrize("mode", [Mode.MAILTO, Mode.OFF])
def test_nothing_is_taken_while_the_switch_is_not_at_verified(desk: Desk, mode: Mode):
    desk.turn(mode)
    assert desk.post(desk.wish(desk.article(), "jo@example.org")) is Answer.CLOSED
    assert desk.shares() == []


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("per_origin_hour", Answer.BUSY),
        ("per_origin_day", Answer.BUSY),
        ("per_story_hour", Answer.BUSY),
        ("per_site_hour", Answer.BUSY),
        ("per_sender_hour", Answer.TAKEN),
        ("per_sender_day", Answer.TAKEN),
        ("per_link_day", Answer.TAKEN),
    ],
)
def test_each_limit_counts_recipients_and_only_those_about_nobody_are_told(desk: Desk, limit: str, says: Answer):
    article, reader = desk.article(), desk.reader()
    given = shares.read_shares({"sharing": asdict(WIDE) | {limit: 3}})
    assert desk.post(desk.wish(article, "a@example.org", "b@example.org"), reader, given=given) is Answer.TAKEN
    assert desk.post(desk.wish(article, "c@example.org", "d@example.org"), reader, given=given) is says
    assert [len(share.friends) for share in desk.shares()] == [2]
    assert desk.post(desk.wish(article, "e@example.org"), reader, given=given) is Answer.TAKEN
    assert [len(share.friends) for share in desk.shares()] == [2, 1]
    assert desk.house.count(ShareRefusal) == 1


@pytest.mark.parametrize("limit", ["per_sender_hour", "per_sender_day"])
def test_whoever_types_a_readers_address_does_not_use_up_what_the_reader_may_send(one_desk: Desk, limit: str):
    article, reader = one_desk.article(), one_desk.reader()
    given = shares.read_shares({"sharing": asdict(WIDE) | {limit: 2}})
    for number in range(4):
        one_desk.post(one_desk.wish(article, f"f{number}@example.org"), given=given)
    one_desk.post(one_desk.wish(article, "jo@example.org"), reader, given=given)
    assert [share.state for share in one_desk.shares()] == ["new", "new", "confirmed"]


def test_a_sender_sends_no_more_in_a_day_by_both_doors_together(one_desk: Desk):
    article, reader = one_desk.article(), one_desk.reader()
    given = replace(WIDE, per_sender_day=3)
    one_desk.post(one_desk.wish(article, "a@example.org", "b@example.org"), reader, given=given)
    one_desk.post(one_desk.wish(article, "c@example.org", "d@example.org"), given=given)
    one_desk.post(one_desk.wish(article, "e@example.org"), given=given)
    one_desk.work()
    for share in one_desk.shares()[1:]:
        assert one_desk.confirm(share, given=given)
    assert [(share.state, share.refusal) for share in one_desk.shares()] == [
        ("queued", None),
        ("refused", "sender"),
        ("confirmed", None),
    ]
    assert sum(one_desk.all(ShareRefusal, "friends")) == 2


def test_a_form_needs_a_friend_and_names_each_once():
    jo = address("jo@example.org")
    with pytest.raises(errors.Invalid):
        asking.checked([], most=3)
    with pytest.raises(errors.Invalid):
        asking.checked([jo, address("a@example.org"), address("b@example.org")], most=2)
    assert asking.checked([jo, address("JO@example.org"), address("a@example.org")], most=2) == (
        jo,
        address("a@example.org"),
    )


def test_the_window_of_an_hour_is_full_when_redis_cannot_be_asked(desk: Desk):
    away = Desk(desk.house, Windows("redis://127.0.0.1:9/0"))
    assert away.post(away.wish(away.article(), "jo@example.org")) is Answer.BUSY
    assert away.shares() == []


def test_two_hundred_posts_at_once_at_a_limit_let_as_many_recipients_in_as_it_has(desk: Desk, at_once):
    article = desk.article()
    given = replace(WIDE, per_sender_day=7)
    wishes = [desk.wish(article, f"a{n}@example.org", f"b{n}@example.org") for n in range(200)]
    posts = [lambda wish=wish: desk.post(wish, given=given) for wish in wishes]
    answers = at_once(*posts)
    assert set(answers) == {Answer.TAKEN}
    assert len(desk.shares()) == 3
    assert len(desk.friends()) == 6


def test_nothing_of_a_friend_is_in_what_the_room_returns(desk: Desk):
    article = desk.article()
    for scope in ("share", "all"):
        desk.house.suppress(f"{scope}@example.org", scope)
    friends = ("share@example.org", "all@example.org", "new@example.org")
    assert {desk.post(desk.wish(article, friend)) for friend in friends} == {Answer.TAKEN}
    assert desk.shares()[0].at == NOW
