"""A DMARC record and the walk to it: RFC 9989's rules, on zones that make each of them matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkup import dmarc, tags

V = "v=DMARC1; "


def zone(**records):
    """Return a zone with records at `_dmarc.` and each name, `_` standing for a dot."""
    found = {}
    for name, texts in records.items():
        found[f"_dmarc.{name.replace('_', '.')}"] = {"TXT": [texts] if isinstance(texts, str) else texts}
    return found


@pytest.mark.parametrize(
    ("text", "is_one", "nearly"),
    [
        ("v=DMARC1; p=none", True, False),
        ("v = DMARC1;p=none", True, False),
        ("v=DMARC1", True, False),
        ("v=dmarc1; p=none", False, True),
        ("v=DMARC1 p=none", False, True),
        (" v=DMARC1; p=none", False, True),
        ("v=DMARC2; p=none", False, True),
        ("p=none; v=DMARC1", False, False),
        ("v=spf1 -all", False, False),
    ],
)
def test_a_record_begins_with_its_version_letter_for_letter(text, is_one, nearly):
    assert (dmarc.is_policy(text), dmarc.is_nearly(text)) == (is_one, nearly)


@pytest.mark.parametrize(
    ("text", "holds", "own", "inherited"),
    [
        ("p=reject", True, "reject", "reject"),
        ("P=Reject; SP=none", True, "reject", "none"),
        ("rua=mailto:a@b.test", True, "none", "none"),
        ("", True, "none", "none"),
        ("p=block", False, "none", "none"),
        ("p=block; rua=mailto:a@b.test", True, "none", "none"),
        ("p=reject; sp=block", False, "none", "none"),
        ("p=reject; pct=0; rf=afrf; ri=1", True, "reject", "reject"),
    ],
)
def test_what_a_record_asks_for(text, holds, own, inherited):
    read = dmarc.read(V + text)
    assert (read.holds, read.request(inherited=False), read.request(inherited=True)) == (holds, own, inherited)


def test_a_domain_below_that_is_not_there_has_a_request_of_its_own():
    read = dmarc.read(V + "p=none; sp=quarantine; np=reject")
    assert read.request(inherited=True, exists=False) == "reject"
    assert read.request(inherited=False, exists=False) == "none"
    assert dmarc.read(V + "p=none; sp=quarantine").request(inherited=True, exists=False) == "quarantine"


def test_reports_go_to_mailboxes_and_a_size_is_seen():
    read = dmarc.read(V + "p=none; rua=mailto:a@one.test , mailto:b@Two.test!10m,https://three.test,mailto:broken")
    assert read.reports == (("a@one.test", "one.test", False), ("b@Two.test", "two.test", True))


@pytest.mark.parametrize(
    ("domain", "asked"),
    [
        ("example.org", ["example.org", "org"]),
        ("a.mail.example.org", ["a.mail.example.org", "mail.example.org", "example.org", "org"]),
        (
            "a.b.c.d.e.f.g.example.org",
            [
                "a.b.c.d.e.f.g.example.org", "c.d.e.f.g.example.org", "d.e.f.g.example.org", "e.f.g.example.org",
                "f.g.example.org", "g.example.org", "example.org", "org",
            ],
        ),
    ],
)  # fmt: skip
def test_a_walk_goes_up_and_asks_eight_names_at_most(domain, asked):
    assert list(dmarc.names_up(domain)) == asked
    assert len(asked) <= dmarc.LABELS


@pytest.mark.parametrize(
    ("records", "organisation", "applied"),
    [
        ({}, "a.mail.example.org", None),
        ({"example_org": V + "p=none"}, "example.org", "example.org"),
        ({"mail_example_org": V, "example_org": V}, "example.org", "example.org"),
        ({"a_mail_example_org": V, "example_org": V}, "example.org", "a.mail.example.org"),
        ({"mail_example_org": V + "psd=n", "example_org": V}, "mail.example.org", "mail.example.org"),
        ({"a_mail_example_org": V + "psd=n", "example_org": V}, "a.mail.example.org", "a.mail.example.org"),
        ({"org": V + "psd=y; p=reject"}, "example.org", "org"),
        ({"org": V + "psd=y", "mail_example_org": V}, "example.org", "org"),
        ({"example_org": V + "psd=y", "a_mail_example_org": V}, "mail.example.org", "a.mail.example.org"),
        ({"a_mail_example_org": V + "psd=y", "example_org": V}, "example.org", "a.mail.example.org"),
        ({"example_org": [V + "p=none", V + "p=reject"]}, "a.mail.example.org", None),
        ({"mail_example_org": "v=DMARC1 p=none"}, "a.mail.example.org", None),
    ],
)  # fmt: skip
def test_whose_record_holds_and_which_domain_is_the_organisations(names_in, records, organisation, applied):
    walk = dmarc.walk("a.mail.example.org", names_in(zone(**records)))
    assert (walk.organisation, walk.applied.domain if walk.applied else None) == (organisation, applied)
    assert walk.known


def test_a_walk_ends_at_a_record_that_says_so(names_in, server):
    dmarc.walk("a.example.org", names_in(zone(a_example_org=V + "psd=n", example_org=V)))
    assert [name for _transport, name, _kind in server.asked] == ["_dmarc.a.example.org"]


def test_a_walk_that_the_dns_did_not_answer_says_so(names_in):
    walk = dmarc.walk("a.example.org", names_in(zone(a_example_org=V), {"_dmarc.example.org": "servfail"}))
    assert not walk.known


@pytest.mark.parametrize(
    ("domain", "strict", "counts"),
    [
        ("example.org", True, False),
        ("news.example.org", True, True),
        ("NEWS.example.org", True, True),
        ("bounces.example.org", False, True),
        ("example.org", False, True),
        ("example.net", False, False),
        ("evil-example.org", False, False),
    ],
)
def test_domains_are_aligned_by_their_organisation_or_letter_by_letter(names_in, domain, strict, counts):
    names = names_in(zone(example_org=V + "p=none"))
    assert dmarc.aligned(domain, "news.example.org", strict=strict, names=names) is counts


pieces = st.one_of(
    st.sampled_from(["v=DMARC1", ";", "=", "p=", "rua=", "mailto:", "@", "!", "10m", "psd=y", ",", "none", " "]),
    st.text(max_size=20),
)


@given(st.lists(pieces, max_size=40))
def test_no_text_makes_the_reader_stumble(parts):
    text = "".join(parts)
    read = dmarc.read(text)
    assert read.request(inherited=True) in dmarc.REQUESTS
    assert dmarc.is_policy(text) in (True, False)
    assert dmarc.read(read.tags.without("p")).tags.get("p") is None


@given(
    st.lists(st.tuples(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.from_regex(r"[!-:<-~]{1,9}", fullmatch=True)))
)
def test_what_was_written_is_read_again(pairs):
    first = dict(reversed(pairs))
    assert dict(tags.read(tags.written(*pairs)).pairs) == first


@pytest.mark.parametrize("piece", ["rua=mailto:", "mailto:a@b,", ";", "=", "a@", "v=", " ", "p=none;"])
def test_a_long_text_is_read_in_one_go(piece):
    dmarc.read(V + "rua=" + piece * 20_000)
    dmarc.is_nearly(piece * 20_000)
    dmarc.is_nearly(" " * 200_000)
