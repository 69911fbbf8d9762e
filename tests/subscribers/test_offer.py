"""The offer: taken whole and checked, or not at all."""

import pytest

from core import errors
from core.database import db
from subscribers import offer
from subscribers.models import Digest
from tests.subscribers import people


def test_applying_a_new_offer_names_what_is_new(bare_app):
    made = offer.apply([people.ASIA, people.ARABIC])
    assert [(one.key, one.is_new) for one in made] == [("asia-daily", True), ("asia-arabic", True)]


def test_applying_the_same_offer_again_changes_nothing(app):
    assert offer.apply([people.ASIA, people.ARABIC]) == []
    assert people.asia().revision == 1


def test_a_changed_setting_is_stored_and_raises_the_revision(app):
    changed = [{**people.ASIA, "default_time": "18:45"}, people.ARABIC]
    expected = [offer.Difference("asia-daily", False, {"default_minute": (420, 18 * 60 + 45)})]
    assert offer.differences(changed) == expected
    assert people.asia().default_minute == 420, "looking changes nothing"
    assert offer.apply(changed) == expected
    assert (people.asia().default_minute, people.asia().revision) == (18 * 60 + 45, 2)


def test_a_digest_is_stored_as_the_file_says_it(app):
    digest = people.asia()
    assert (digest.stream, digest.language, digest.rhythms) == (
        "digest:asia-daily",
        "en",
        ["daily", "weekdays", "weekly"],
    )
    assert (digest.default_rhythm, digest.default_minute, digest.lead_s) == ("daily", 420, 1800)
    assert (digest.least, digest.most, digest.repeat, digest.doubt_policy) == (1, 10, "never", "resend")
    assert (digest.selection, digest.reply_to, digest.active) == ([], None, True)


@pytest.mark.parametrize(
    ("rhythms", "said", "rule"),
    [
        (["weekly"], {}, "recap"),
        (["daily", "weekly"], {}, "never"),
        (["weekly"], {"repeat": "never"}, "never"),
        (["daily"], {"repeat": "updated"}, "updated"),
    ],
)
def test_a_weekly_digest_is_a_recap_until_it_says_otherwise(bare_app, rhythms, said, rule):
    offer.apply([{**people.ASIA, "rhythms": rhythms, **said}])
    assert people.asia().repeat == rule


def test_one_wrong_digest_keeps_all_of_them_out(bare_app):
    with pytest.raises(errors.Invalid):
        offer.apply([people.ASIA, {**people.ARABIC, "language": "martian"}])
    assert people.count(Digest) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "two\nlines"),
        ("name", "x" * 61),
        ("name", 7),
        ("about", "a\u202eb"),
        ("language", "martian"),
        ("language", "en_GB_nonsense"),
        ("rhythms", []),
        ("rhythms", "daily"),
        ("rhythms", ["daily", "hourly"]),
        ("headlines", -1),
        ("headlines", 101),
        ("default_rhythm", "hourly"),
        ("default_time", "7:00"),
        ("default_time", "24:00"),
        ("default_time", "07:10"),
        ("default_time", 420),
        ("default_zone", "Europe/Roma"),
        ("default_zone", ["Europe/Rome"]),
        ("lead_minutes", -1),
        ("lead_minutes", 20.5),
        ("least", 0),
        ("least", 11),
        ("most", 0),
        ("most", True),
        ("not_after_hours", 0),
        ("topics", "economy"),
        ("topics", ["weather"]),
        ("topics", [1]),
        ("repeat", "always"),
        ("doubt_policy", "maybe"),
        ("subject", ""),
        ("subject", "{headline.__class__}"),
        ("subject", "{headline!r}"),
        ("subject", "{reader}"),
        ("subject", "{headline"),
        ("subject", "{0}"),
        ("reply_to", "nobody"),
        ("reply_to", "a@example.org, b@example.org"),
        ("offers_breaking", "yes"),
        ("active", "yes"),
        ("active", 1),
        ("defualt_time", "07:00"),
    ],
)
def test_a_wrong_setting_is_named_with_its_digest(app, field, value):
    with pytest.raises(errors.Invalid) as caught:
        offer.apply([{**people.ASIA, field: value}])
    assert caught.value.field == field
    assert "asia-daily" in str(caught.value)
    assert "%(" not in str(caught.value)


@pytest.mark.parametrize("field", ["name", "language", "rhythms", "default_time", "default_zone"])
def test_a_missing_setting_is_named_with_its_digest(bare_app, field):
    definition = {name: value for name, value in people.ASIA.items() if name != field}
    with pytest.raises(errors.Invalid) as caught:
        offer.apply([definition])
    assert caught.value.field == field
    assert "asia-daily" in str(caught.value)
    assert field in str(caught.value)


@pytest.mark.parametrize("key", [None, "", "Asia", "asia daily", "-asia", "asia-", "x" * 41, "asia\n", 3])
def test_a_key_that_cannot_stand_in_a_link_is_refused(bare_app, key):
    with pytest.raises(errors.Invalid) as caught:
        offer.apply([{**people.ASIA, "key": key}])
    assert caught.value.field == "key"


def test_two_digests_with_one_key_are_refused(bare_app):
    with pytest.raises(errors.Invalid, match="asia-daily"):
        offer.apply([people.ASIA, people.ASIA])


def test_a_digest_that_is_not_named_stays_on_offer(app):
    offer.apply([people.ARABIC])
    assert [digest.key for digest in offer.active()] == ["asia-daily", "asia-arabic"]


def test_digests_in_the_language_that_is_spoken_come_first(app):
    assert [digest.key for digest in offer.active(spoken="ar")] == ["asia-arabic", "asia-daily"]
    assert [digest.key for digest in offer.active(spoken="it")] == ["asia-daily", "asia-arabic"]


def test_a_withdrawn_digest_is_not_on_offer_but_can_still_be_found(app):
    offer.apply([{**people.ASIA, "active": False}])
    assert [digest.key for digest in offer.active()] == ["asia-arabic"]
    assert people.asia().name == "Asia Daily"
    with pytest.raises(errors.Invalid) as caught:
        offer.refuse_unknown(["asia-daily"])
    assert caught.value.field == "digests"


def test_digests_come_in_the_order_asked_for_and_once(app):
    asked = ["asia-arabic", "asia-daily", "asia-arabic"]
    offer.refuse_unknown(asked)
    found = offer.still_offered(asked)
    assert [digest.key for digest in found] == ["asia-arabic", "asia-daily"]


def test_an_unknown_digest_names_the_field(app):
    with pytest.raises(errors.Invalid) as caught:
        offer.refuse_unknown(["asia-daily", "mars-daily"])
    assert caught.value.field == "digests"
    with pytest.raises(errors.NotFound):
        offer.by_key("mars-daily")


def test_topics_of_a_digest_are_stored_once_and_sorted(app):
    offer.apply([{**people.ASIA, "topics": ["kr", "economy", "kr"]}])
    db.session.commit()
    assert people.asia().selection == ["economy", "kr"]
