"""Each finding has a world that makes it; the good one makes none; and the record that is printed cures it."""

from dataclasses import replace

import pytest

from checkup import checking
from checkup.findings import Level
from core.dkimkeys import SigningKeys
from core.identity import LaneSender
from tests.checkup.signing import rsa_key, signing
from tests.checkup.worlds import ADDRESS, BOUNCES, FROM, HOST, World, changed, dmarc, good, plan, set_in, spf
from tests.installation import IDENTITY

ERROR, WARNING, NOTE = Level.ERROR, Level.WARNING, Level.NOTE
RSA = "rsa-1._domainkey.monsoon.example.org"
READY = "rsa-2._domainkey.monsoon.example.org"
OURS = signing().domains[FROM].signing[0].record
OTHERS = signing().domains[FROM].ready[0].record
IN = {"MX": [(10, "in.monsoon.example.org")]}
TEXT = {"TXT": ["v=spf1 ip4:192.0.2.1 ~all"]}
V = "v=DMARC1; "
RUA = f"rua=mailto:reports@{FROM}"


def look(names_in, changes=None, odd=None, part=None):
    world = changed(good(), changes or {})
    return world, checking.look(part or plan(), names_in(world, odd))


def codes(found):
    return {one.code for one in found}


def test_in_a_good_world_there_is_nothing_to_do(names_in):
    _world, found = look(names_in)
    assert {one.level for one in found} == {Level.GOOD}
    assert codes(found) == {
        "spf.good", "spf.pass", "mx.good", "dmarc.good", "dkim.good", "align.spf_good", "align.dkim_good", "ptr.good",
    }  # fmt: skip


FAULTS = [
    ("spf.missing", ERROR, {BOUNCES: IN}),
    ("spf.several", ERROR, spf("v=spf1 ip4:192.0.2.1 -all", "v=spf1 include:_spf.relay.test ~all")),
    ("spf.broken", ERROR, spf("v=spf1 ipv4:192.0.2.9 ip4:192.0.2.1 ~all")),
    ("spf.everybody", ERROR, spf("v=spf1 ip4:192.0.2.1 +all")),
    ("spf.everybody", ERROR, spf("v=spf1 ip4:192.0.2.1 all")),
    ("spf.neutral", WARNING, spf("v=spf1 ip4:192.0.2.1 ?all")),
    ("spf.neutral", WARNING, spf("v=spf1 ip4:192.0.2.1")),
    ("spf.address", ERROR, spf("v=spf1 ip4:192.0.2.2 ~all")),
    ("mx.missing", ERROR, {BOUNCES: TEXT}),
    ("mx.null", ERROR, {BOUNCES: {**TEXT, "MX": [(0, "")]}}),
    ("mx.unreachable", ERROR, {BOUNCES: {**TEXT, "MX": [(1, "gone.monsoon.example.org")]}}),
    ("mx.no_host", WARNING, {BOUNCES: {**TEXT, "MX": [(1, "gone.monsoon.example.org")]}}),
    ("mx.literal", WARNING, {BOUNCES: {**TEXT, "MX": [(1, "198.51.100.4")]}}),
    ("mx.implicit", WARNING, {BOUNCES: {**TEXT, "A": ["198.51.100.4"]}}),
    ("mx.private", WARNING, {"in.monsoon.example.org": {"A": ["10.0.0.1"], "AAAA": ["fd00::1"]}}),
    ("mx.alias", WARNING, {"in.monsoon.example.org": {"CNAME": ["real.test"]}, "real.test": {"A": ["198.51.100.4"]}}),
    ("dmarc.missing", ERROR, dmarc()),
    ("dmarc.several", ERROR, dmarc(V + f"p=none; {RUA}", V + "p=reject")),
    ("dmarc.nearly", ERROR, dmarc(f"v=DMARC1 p=reject; {RUA}")),
    ("dmarc.nearly", ERROR, dmarc(f"v=dmarc1; p=reject; {RUA}")),
    ("dmarc.broken", ERROR, dmarc(V + "p=refuse")),
    ("dmarc.values", WARNING, dmarc(V + f"p=reject; aspf=x; {RUA}")),
    ("dmarc.strange", WARNING, dmarc(V + f"p=reject; hello; {RUA}")),
    ("dmarc.gone", NOTE, dmarc(V + f"p=reject; pct=50; rf=afrf; {RUA}")),
    ("dmarc.suffix", ERROR, dmarc(V + f"p=reject; psd=y; {RUA}")),
    ("dmarc.testing", NOTE, dmarc(V + f"p=reject; t=y; {RUA}")),
    ("dmarc.no_reports", NOTE, dmarc(V + "p=reject")),
    ("dmarc.external", WARNING, dmarc(V + "p=reject; rua=mailto:x@reports.test")),
    ("dkim.missing", ERROR, {RSA: None}),
    ("dkim.missing", WARNING, {READY: None}),
    ("dkim.several", ERROR, {RSA: {"TXT": [OURS, "v=DKIM1; p="]}}),
    ("dkim.revoked", ERROR, {RSA: {"TXT": ["v=DKIM1; k=rsa; p="]}}),
    ("dkim.other", WARNING, {READY: {"TXT": [OURS]}}),
    ("dkim.broken", ERROR, {RSA: {"TXT": [OURS[:200]]}}),
    ("dkim.broken", ERROR, {RSA: {"TXT": ["k=rsa; v=DKIM1; " + OURS.partition("k=rsa; ")[2]]}}),
    ("dkim.broken", ERROR, {RSA: {"TXT": [OURS + "; h=sha1"]}}),
    ("dkim.broken", ERROR, {RSA: {"TXT": [OURS + "; s=tlsrpt"]}}),
    ("dkim.broken", ERROR, {RSA: {"TXT": [OURS.replace("k=rsa", "k=ecdsa")]}}),
    ("dkim.kind", ERROR, {RSA: {"TXT": [signing().domains[FROM].signing[1].record]}}),
    ("dkim.other", ERROR, {RSA: {"TXT": [OTHERS]}}),
    ("dkim.testing", WARNING, {RSA: {"TXT": [OURS + "; t=y:s"]}}),
    ("ptr.missing", ERROR, {"1.2.0.192.in-addr.arpa": None}),
    ("ptr.forward", ERROR, {"out.monsoon.example.org": {"A": ["192.0.2.9"]}}),
    ("ptr.forward", ERROR, {"out.monsoon.example.org": None}),
]  # fmt: skip
IDS = [f"{place} {code}" for place, (code, _level, _changes) in enumerate(FAULTS)]


@pytest.mark.parametrize(("code", "level", "changes"), FAULTS, ids=IDS)
def test_a_fault_is_found_and_the_record_that_is_printed_cures_it(names_in, code, level, changes):
    world, found = look(names_in, changes)
    fault = next(one for one in found if (one.code, one.level) == (code, level))
    assert fault.records
    for record in fault.records:
        world = set_in(world, record)
    if HOST in " ".join(record.value for record in fault.records):
        # Proposed is the site's own name, which has an address, or gets one with the record.
        world.setdefault(HOST, {"A": ["198.51.100.5"]})
    again = checking.look(plan(), names_in(world))
    assert fault.key not in {one.key for one in again if one.level is level}
    assert len([one for one in again if one.level is ERROR]) <= len([one for one in found if one.level is ERROR])


ELEVEN = " ".join(f"a:a{one}.test" for one in range(11))
FORTY = " ".join(f"ip4:198.51.100.{one}" for one in range(40))
UNCURED = [
        ("spf.lookups", ERROR, spf(f"v=spf1 {ELEVEN} ip4:192.0.2.1 ~all"), {}),
        ("spf.voids", ERROR, spf("v=spf1 ip4:192.0.2.1 a:a1.test a:a2.test a:a3.test ~all"), {}),
        ("spf.target", ERROR, spf("v=spf1 ip4:192.0.2.1 include:gone.test ~all"), {}),
        ("spf.loop", ERROR, spf(f"v=spf1 ip4:192.0.2.1 include:{BOUNCES} ~all"), {}),
        ("spf.ptr", WARNING, spf("v=spf1 ip4:192.0.2.1 ptr ~all"), {}),
        ("spf.untold", WARNING, spf("v=spf1 exists:%{i}.yes.test ~all"), {}),
        ("spf.long", NOTE, spf(f"v=spf1 ip4:192.0.2.1 {FORTY} -all"), {}),
        ("spf.unanswered", ERROR, {}, {BOUNCES: "servfail"}),
        ("spf.unanswered", WARNING, {}, {BOUNCES: "silent"}),
        ("spf.unanswered", WARNING, {}, {"_spf.relay.test": "servfail"}),
        ("mx.unanswered", ERROR, {}, {BOUNCES: "servfail"}),
        ("mx.unanswered", WARNING, {}, {BOUNCES: "silent"}),
        ("mx.host_unanswered", WARNING, {}, {"in.monsoon.example.org": "servfail"}),
        ("dkim.revoked", WARNING, {READY: {"TXT": ["v=DKIM1; k=rsa; p="]}}, {}),
    ("dkim.unanswered", WARNING, {}, {READY: "servfail"}),
    ("dkim.unanswered", ERROR, {}, {RSA: "servfail"}),
        ("dkim.unanswered", WARNING, {}, {RSA: "silent"}),
        ("dmarc.unanswered", WARNING, {}, {f"_dmarc.{FROM}": "servfail"}),
        ("dmarc.size", NOTE, dmarc(V + f"p=reject; rua=mailto:a@{FROM}!10m"), {}),
        ("ptr.unanswered", WARNING, {}, {"1.2.0.192.in-addr.arpa": "silent"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "level", "changes", "odd"), UNCURED, ids=[f"{place} {one[0]}" for place, one in enumerate(UNCURED)]
)
def test_a_fault_that_no_record_alone_can_cure_is_found_and_none_is_printed(names_in, code, level, changes, odd):
    _world, found = look(names_in, changes, odd)
    assert (code, level, ()) in [(one.code, one.level, one.records) for one in found]
    assert not any(one.code == "dmarc.missing" for one in found)


@pytest.mark.parametrize(
    ("texts", "record"),
    [
        (["v=spf1 include:_spf.relay.test +all"], "v=spf1 ip4:192.0.2.1 include:_spf.relay.test ~all"),
        (["v=spf1 +all"], "v=spf1 ip4:192.0.2.1 ~all"),
        (["v=spf1 ip4:192.0.2.0/24 +all"], "v=spf1 ip4:192.0.2.0/24 ~all"),
        (["v=spf1 a -all", "v=spf1 mx -all"], "v=spf1 ip4:192.0.2.1 a mx ~all"),
        (["v=spf1 redirect=_spf.relay.test"], "v=spf1 ip4:192.0.2.1 redirect=_spf.relay.test"),
        (["v=spf1 exp=why.test -all"], "v=spf1 ip4:192.0.2.1 exp=why.test -all"),
    ],
)
def test_a_record_that_is_proposed_lets_our_address_mail(names_in, texts, record):
    _world, found = look(names_in, spf(*texts))
    fault = next(one for one in found if one.code in ("spf.everybody", "spf.several", "spf.address"))
    assert [one.value for one in fault.records] == [record]


def test_replies_that_nobody_takes_are_a_warning_and_bounces_that_nobody_takes_an_error(names_in):
    _world, found = look(names_in, {FROM: {"MX": [(0, "")]}, BOUNCES: {**TEXT, "MX": [(0, "")]}})
    assert {(one.about, one.level) for one in found if one.code == "mx.null"} == {(FROM, WARNING), (BOUNCES, ERROR)}


@pytest.mark.parametrize(("bits", "level"), [(1024, WARNING), (8192, WARNING)])
def test_a_key_that_is_too_short_or_too_long_is_looked_down_on(names_in, monkeypatch, bits, level):
    keys = signing().domains[FROM]
    own = replace(keys.signing[0], private=rsa_key(min(bits, 2048)))
    if bits > 2048:
        monkeypatch.setattr("checkup.keys.MOST_BITS", 2000)
    part = plan(dkim=SigningKeys({FROM: replace(keys, signing=(own,), ready=())}))
    _world, found = look(names_in, {RSA: {"TXT": [own.record]}}, part=part)
    assert [one.level for one in found if one.code in ("dkim.short", "dkim.long")] == [level]


def test_a_key_without_its_algorithm_around_it_and_in_pieces_is_ours(names_in):
    spaced = OURS[:60] + "  " + OURS[60:]
    _world, found = look(names_in, {RSA: {"TXT": [[spaced[:50], spaced[50:200], spaced[200:]]]}})
    assert not [one for one in found if one.level is ERROR]


def test_a_record_higher_up_holds_too_and_says_what_it_asks_of_those_below(names_in):
    changes = {
        f"_dmarc.{FROM}": None,
        "_dmarc.example.org": {"TXT": [V + "p=none; sp=reject; rua=mailto:a@example.org"]},
    }
    _world, found = look(names_in, changes)
    (asks,) = [one for one in found if one.code == "dmarc.good"]
    assert "example.org holds for monsoon.example.org, too, and asks to reject" in asks.text
    assert not [one for one in found if one.level is ERROR]


def test_reports_to_a_stranger_need_the_strangers_word(names_in):
    changes = dmarc(V + "p=reject; rua=mailto:x@in.reports.test")
    said = {f"{FROM}._report._dmarc.in.reports.test": {"TXT": ["v=DMARC1"]}}
    _world, found = look(names_in, {**changes, **said})
    assert Level.GOOD in {one.level for one in found if one.code == "dmarc.external"}
    own = dmarc(V + f"p=reject; rua=mailto:x@reports.{FROM}")
    assert "dmarc.external" not in codes(look(names_in, own)[1])


@pytest.mark.parametrize(
    ("identity", "records", "wanted"),
    [
        ({"bounce_domain": "bounces.example.net"}, DMARC_RELAXED := V + f"p=reject; {RUA}", {("align.spf", WARNING)}),
        ({}, V + f"p=reject; aspf=s; {RUA}", {("align.spf", WARNING)}),
        ({"sender": f"news@mail.{FROM}"}, V + f"p=reject; adkim=s; {RUA}", {("align.dkim", WARNING)}),
        ({"sender": f"news@mail.{FROM}"}, DMARC_RELAXED, set()),
        (
            {"sender": f"news@mail.{FROM}", "bounce_domain": "bounces.example.net"},
            V + f"p=reject; adkim=s; {RUA}",
            {("align.spf", ERROR), ("align.dkim", ERROR)},
        ),
    ],
    ids=["bounces elsewhere", "strict SPF", "strict DKIM", "below", "neither"],
)
def test_what_does_not_count_for_the_from_domain_is_told_by_lane(names_in, identity, records, wanted):
    part = plan(identity=replace(IDENTITY, **identity))
    moved = {"bounces.example.net": {**TEXT, **IN}, f"mail.{FROM}": IN}
    world, found = look(names_in, {**dmarc(records), **moved}, part=part)
    faults = [one for one in found if one.code in ("align.spf", "align.dkim")]
    assert {(one.code, one.level) for one in faults} == wanted
    for fault in faults:
        for record in fault.records:
            again = checking.look(part, names_in(set_in(world, record)))
            assert fault.code not in codes(again)


def test_an_organisation_that_no_record_names_is_named_by_one_above_both(names_in):
    part = plan(identity=replace(IDENTITY, bounce_domain="b.example.org"))
    world, found = look(names_in, {"b.example.org": {**TEXT, **IN}}, part=part)
    (fault,) = [one for one in found if one.code == "align.spf"]
    (record,) = fault.records
    assert record.name == "_dmarc.example.org"
    assert "align.spf" not in codes(checking.look(part, names_in(set_in(world, record))))


def test_where_the_dns_is_silent_nothing_is_said_to_be_of_another_house(names_in):
    part = plan(identity=replace(IDENTITY, bounce_domain="b.example.org"))
    changes = {"b.example.org": {**TEXT, **IN}}
    _world, found = look(names_in, changes, {"_dmarc.example.org": "servfail"}, part)
    assert "dmarc.unanswered" in codes(found)
    assert not [one for one in found if one.code.startswith("align.")]


def test_without_keys_it_says_what_to_look_for_in_a_mail_that_came(names_in):
    _world, found = look(names_in, part=plan(dkim=SigningKeys()))
    (note,) = [one for one in found if one.code == "align.relay"]
    assert note.level is NOTE
    for word in ("dkim=pass", "header.d", "List-Unsubscribe-Post", "h="):
        assert word in note.text
    assert not [one for one in found if one.code.startswith("dkim.")]


def test_lanes_that_differ_are_told_apart_and_those_that_do_not_are_told_together(names_in):
    lanes = {
        "transactional": LaneSender(sender="hello@example.net", bounce_domain="b.example.net", signed_by_relay=True)
    }
    part = plan(identity=replace(IDENTITY, lanes=lanes))
    assert [lane.names for lane in part.lanes] == [("transactional",), ("breaking", "share", "digest")]
    assert [lane.signers for lane in part.lanes] == [(), (FROM,)]
    _world, found = look(names_in, part=part)
    assert {one.about for one in found if one.code == "dmarc.missing"} == {"example.net"}


def test_one_domain_can_be_looked_at_alone_also_before_anything_mails_from_it(names_in):
    lanes = {"transactional": LaneSender(sender="hello@example.net", bounce_domain="b.example.net")}
    whole = plan(identity=replace(IDENTITY, lanes=lanes), dkim=SigningKeys())
    alone = checking.only(whole, "Example.net.")
    assert ([lane.author for lane in alone.lanes], alone.supposed) == (["example.net"], False)
    new = checking.only(whole, "courier.test")
    assert new.supposed
    _world, found = look(names_in, part=new)
    assert "plan.supposed" in codes(found)
    wanted = {one.code: [record.line for record in one.records] for one in found if one.level is ERROR}
    assert wanted == {
        "spf.missing": ['bounces.courier.test. IN TXT "v=spf1 ip4:192.0.2.1 ~all"'],
        "mx.missing": [f"bounces.courier.test. IN MX 10 {HOST}."],
        "dmarc.missing": ['_dmarc.courier.test. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@courier.test"'],
    }


def test_following_all_that_is_printed_for_a_new_domain_leaves_nothing_wrong(names_in):
    part = checking.only(plan(dkim=signing("courier.test")), "courier.test")
    world: World = {HOST: {"A": ["198.51.100.5"]}}
    for _round in range(3):
        for one in checking.look(part, names_in(world)):
            for record in one.records:
                world = set_in(world, record)
    assert {one.level for one in checking.look(part, names_in(world))} <= {Level.GOOD, NOTE}


@pytest.mark.parametrize(
    ("relay", "addresses", "term"),
    [
        ("smtp.relay.test", [], "a:smtp.relay.test"),
        ("127.0.0.1", [], f"a:{HOST}"),
        ("smtp.relay.test", ["192.0.2.1", "2001:db8::1"], "ip4:192.0.2.1 ip6:2001:db8::1"),
    ],
)
def test_the_record_that_is_proposed_lets_the_relay_mail(relay, addresses, term):
    assert plan(relay=relay, addresses=addresses).sends == term


def test_an_ipv6_address_has_its_name_looked_up_too(names_in):
    part = plan(addresses=[ADDRESS, "2001:db8::1"])
    world, found = look(names_in, part=part)
    (missing,) = [one for one in found if one.code == "ptr.missing"]
    assert [record.type for record in missing.records] == ["PTR", "AAAA"]
    for record in missing.records:
        world = set_in(world, record)
    assert "ptr.missing" not in codes(checking.look(part, names_in(world)))


def test_when_nobody_answers_that_is_the_one_thing_that_is_said(names_in, monkeypatch):
    monkeypatch.setattr("core.names.QUESTION_S", 0.05)
    monkeypatch.setattr("core.names.TRY_S", 0.02)
    world = changed(good(), {})
    odd = dict.fromkeys([*world, f"_dmarc.{BOUNCES}", "_dmarc.example.org", "_dmarc.org"], "silent")
    found = checking.look(plan(), names_in(world, odd))
    assert [(one.code, one.level) for one in found] == [("names.silent", ERROR)]


def test_a_hostile_dns_costs_a_bounded_number_of_questions(names_in, server):
    wild = "v=spf1 " + " ".join(f"include:{one}.evil.test" for one in range(100))
    mx = {"MX": [(one, f"m{one}.evil.test") for one in range(40)]}
    world = changed(
        good(),
        {
            BOUNCES: {"TXT": [wild], **mx},
            FROM: mx,
            **dmarc(V + "rua=" + ",".join(f"mailto:a@d{one}.evil.test" for one in range(100))),
        },
    )
    found = checking.look(plan(), names_in(world))
    assert "spf.lookups" in codes(found)
    assert len(server.asked) < 300
    assert all(len(one.text) < 600 for one in found)
