"""An SPF record walked through the DNS: what it costs, what is wrong with it, and what it says of an address."""

import pytest

from checkup import spf, spfwalk
from checkup.spfwalk import Verdict

SPF = "v=spf1 "


def surveyed(names, domain="example.org"):
    policy = spfwalk.look_up(domain, names).policy
    assert policy is not None
    return spfwalk.survey(domain, policy, names)


def codes(survey):
    return {code for code, _text in survey.faults}


def test_every_term_that_asks_costs_a_lookup_wherever_it_stands(names_in):
    names = names_in(
        {
            "example.org": {
                "TXT": [SPF + "a mx include:one.test ip4:192.0.2.1 -all"],
                "A": ["192.0.2.1"],
                "MX": [(1, "m.test")],
            },
            "one.test": {"TXT": [SPF + "include:two.test exists:%{i}.x.test ~all"]},
            "two.test": {"TXT": [SPF + "ip4:198.51.100.0/24 -all include:never.test"]},
            "m.test": {"A": ["192.0.2.2"]},
        }
    )
    survey = surveyed(names)
    assert (survey.lookups, survey.voids, survey.end, survey.faults) == (5, 0, "-", {})


def test_a_redirect_costs_one_and_brings_its_end(names_in):
    names = names_in({"example.org": {"TXT": [SPF + "redirect=other.test"]}, "other.test": {"TXT": [SPF + "a ?all"]}})
    survey = surveyed(names)
    assert (survey.lookups, survey.end, survey.voids) == (2, "?", 1)


def test_a_record_that_leads_back_to_itself_is_seen_and_the_walk_ends(names_in):
    names = names_in(
        {
            "example.org": {"TXT": [SPF + "include:one.test -all"]},
            "one.test": {"TXT": [SPF + "include:two.test -all"]},
            "two.test": {"TXT": [SPF + "include:one.test include:EXAMPLE.org -all"]},
        }
    )
    survey = surveyed(names)
    assert (codes(survey), survey.lookups) == ({"loop"}, 4)


def test_a_hundred_includes_and_a_tree_of_them_come_to_an_end(names_in, server):
    wide = {f"i{number}.test": {"TXT": [SPF + "-all"]} for number in range(100)}
    names = names_in({"example.org": {"TXT": [SPF + " ".join(f"include:{name}" for name in wide)]}, **wide})
    assert surveyed(names).lookups == spfwalk.READ_ON + 1
    tree = {f"t{depth}.test": {"TXT": [SPF + " ".join([f"include:t{depth + 1}.test"] * 9)]} for depth in range(40)}
    names = names_in({"example.org": {"TXT": [SPF + "include:t0.test"]}, **tree, "t40.test": {"TXT": [SPF + "-all"]}})
    assert surveyed(names).lookups > spfwalk.READ_ON
    assert len(server.asked) <= spfwalk.READ_ON + 2


@pytest.mark.parametrize(
    ("code", "there"),
    [
        ("target", {}),
        ("target", {"other.test": {"TXT": ["hello"]}}),
        ("target", {"other.test": {"TXT": [SPF + "-all", SPF + "~all"]}}),
        ("broken", {"other.test": {"TXT": [SPF + "ipv4:192.0.2.1"]}}),
        ("ptr", {"other.test": {"TXT": [SPF + "ptr -all"]}}),
        ("many_mx", {"other.test": {"TXT": [SPF + "mx -all"], "MX": [(1, f"m{one}.test") for one in range(11)]}}),
    ],
)
def test_what_is_wrong_with_what_it_includes_is_told(names_in, code, there):
    names = names_in({"example.org": {"TXT": [SPF + "include:other.test -all"]}, **there})
    survey = surveyed(names)
    assert code in codes(survey)
    assert all("other.test" in text for _code, text in survey.faults)


@pytest.mark.parametrize("odd", ["servfail", "silent"])
def test_what_the_dns_does_not_say_just_now_is_not_called_missing(names_in, odd):
    names = names_in({"example.org": {"TXT": [SPF + "include:other.test -all"]}}, {"other.test": odd})
    assert codes(surveyed(names)) == {"unanswered"}


WORLD = {
    "example.org": {
        "TXT": [SPF + "ip4:192.0.2.0/24 a:web.test/30 mx include:other.test exists:yes.test ?ip6:2001:db8::/32 ~all"],
        "MX": [(1, "in.test")],
    },
    "web.test": {"A": ["198.51.100.4"], "AAAA": ["2001:db8:1::1"]},
    "in.test": {"A": ["203.0.113.9"]},
    "other.test": {"TXT": [SPF + "-ip4:203.0.113.77 ip4:203.0.113.64/26 -all"]},
    "strict.test": {"TXT": [SPF + "mx:nobody.test -all"]},
    "neutral.test": {"TXT": [SPF + "ip4:192.0.2.1"]},
    "sent.test": {"TXT": [SPF + "redirect=strict.test"]},
    "lost.test": {"TXT": [SPF + "redirect=nowhere.test"]},
    "twice.test": {"TXT": [SPF + "-all", SPF + "~all"]},
    "broken.test": {"TXT": [SPF + "hello -all"]},
    "costly.test": {"TXT": [SPF + "a:in.test " * 11 + "-all"]},
    "vain.test": {"TXT": [SPF + "a:n1.test a:n2.test a:n3.test +all"]},
    "macro.test": {"TXT": [SPF + "exists:%{i}.x.test -all"]},
    "asks.test": {"TXT": [SPF + "include:odd.test -all"]},
}


@pytest.mark.parametrize(
    ("domain", "address", "verdict"),
    [
        ("example.org", "192.0.2.200", Verdict.PASS),
        ("example.org", "198.51.100.7", Verdict.PASS),
        ("example.org", "2001:db8:1::1", Verdict.PASS),
        ("example.org", "203.0.113.9", Verdict.PASS),
        ("example.org", "203.0.113.70", Verdict.PASS),
        ("vain.test", "203.0.113.70", Verdict.PERMERROR),
        ("strict.test", "203.0.113.70", Verdict.FAIL),
        ("sent.test", "203.0.113.70", Verdict.FAIL),
        ("neutral.test", "203.0.113.70", Verdict.NEUTRAL),
        ("neutral.test", "2001:db8::1", Verdict.NEUTRAL),
        ("other.test", "203.0.113.77", Verdict.FAIL),
        ("lost.test", "203.0.113.70", Verdict.PERMERROR),
        ("twice.test", "203.0.113.70", Verdict.PERMERROR),
        ("broken.test", "203.0.113.70", Verdict.PERMERROR),
        ("costly.test", "198.51.100.1", Verdict.PERMERROR),
        ("nowhere.test", "203.0.113.70", Verdict.NONE),
        ("odd.test", "203.0.113.70", Verdict.TEMPERROR),
        ("asks.test", "203.0.113.70", Verdict.TEMPERROR),
        ("macro.test", "203.0.113.70", Verdict.UNTOLD),
    ],
)
def test_the_verdict_is_a_receivers(names_in, domain, address, verdict):
    assert spfwalk.verdict(domain, address, names_in(WORLD, {"odd.test": "servfail"})) is verdict


def test_an_exists_that_is_there_lets_everybody_mail(names_in):
    world = {**WORLD, "yes.test": {"A": ["127.0.0.2"]}}
    assert spfwalk.verdict("example.org", "203.0.113.77", names_in(world)) is Verdict.PASS
    assert spfwalk.verdict("example.org", "203.0.113.77", names_in(WORLD)) is Verdict.SOFTFAIL


def test_reading_is_enough_for_a_record_without_lookups(names_in, server):
    names = names_in({"example.org": {"TXT": [SPF + "ip4:192.0.2.1 -all"]}})
    assert spfwalk.verdict("example.org", "192.0.2.1", names) is Verdict.PASS
    assert spf.read(spfwalk.look_up("example.org", names).texts[0]).all == "-"
    assert len(server.asked) == 1
