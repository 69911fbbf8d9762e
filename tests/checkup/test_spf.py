"""The grammar of SPF: what a term is, what is none, and that no text makes the reader stumble or slow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkup import spf


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("v=spf1", True),
        ("v=spf1 -all", True),
        ("V=SPF1 -all", True),
        ("v=spf10", False),
        ("v=spf1;", False),
        (" v=spf1", False),
    ],
)
def test_a_record_is_an_spf_record_by_its_first_word(text, is_one):
    assert spf.is_policy(text) is is_one


def test_terms_have_a_qualifier_a_name_a_domain_and_prefixes():
    read = spf.read("v=spf1 a ~mx:mail.example.org/24//64 include:_spf.example.net ?exists:%{i}.x.test -all")
    assert [(term.qualifier, term.name, term.domain, term.prefixes) for term in read.terms] == [
        ("+", "a", None, (32, 128)),
        ("~", "mx", "mail.example.org", (24, 64)),
        ("+", "include", "_spf.example.net", (32, 128)),
        ("?", "exists", "%{i}.x.test", (32, 128)),
        ("-", "all", None, (32, 128)),
    ]
    assert (read.all, read.wrong, read.terms[3].has_macro) == ("-", (), True)


def test_networks_are_read_as_networks():
    read = spf.read("v=spf1 ip4:192.0.2.0/24 -ip6:2001:db8::/32 ip4:198.51.100.7 ~all")
    assert [str(term.network) for term in read.terms[:3]] == ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"]
    assert read.wrong == ()


@pytest.mark.parametrize(
    "word",
    [
        "ip4:192.0.2.1/33", "ip4:192.0.2.300", "ip4:", "ip4", "ip6:192.0.2.1", "ip4:192.0.2.0/255.255.255.0",
        "include", "include:", "exists", "all:example.org", "include:example.org/24", "a/33", "a//129",
        "a:exa mple", "ipv4:192.0.2.1", "a:-.." , "include:%{", "include:%{i", "redirect=", "mx:/", "hello", "a,mx",
    ],
)  # fmt: skip
def test_what_no_receiver_understands_is_named(word):
    assert spf.read(f"v=spf1 {word} -all").wrong[0] in word


def test_unknown_modifiers_are_left_alone_and_a_second_redirect_is_wrong():
    read = spf.read("v=spf1 ra=postmaster exp=why.example.org redirect=_spf.example.net")
    assert (read.redirect, read.wrong, read.modifiers) == (
        "_spf.example.net",
        (),
        ("ra=postmaster", "exp=why.example.org"),
    )
    assert spf.read("v=spf1 redirect=a.test redirect=b.test").wrong == ("redirect=b.test",)


def test_a_record_is_written_anew_with_another_end_and_what_is_wrong_left_out():
    read = spf.read("v=spf1 mx ipv4:192.0.2.1 mx exp=why.test +all ip4:192.0.2.9")
    assert read.ending("~all", adding=["ip4:192.0.2.1"]) == "v=spf1 ip4:192.0.2.1 mx exp=why.test ~all"


words = st.one_of(
    st.sampled_from(["a", "mx", "all", "-all", "include:", "ip4:", "redirect=", "v=spf1", "%{i}", "//", "/", ":", " "]),
    st.text(max_size=20),
)


@given(st.lists(words, max_size=30))
def test_no_text_makes_the_reader_stumble_and_what_it_writes_it_reads(parts):
    read = spf.read("v=spf1 " + "".join(parts))
    again = spf.read(read.ending("~all"))
    assert (again.wrong, again.all) == ((), "~")


@pytest.mark.parametrize("piece", ["a:", "x.", "%{", "a ", "include:" + "a." * 100 + " ", "/", "=", "-", "é"])
def test_a_long_text_is_read_in_one_go(piece):
    read = spf.read("v=spf1 " + piece * 20_000)
    assert len(read.terms) + len(read.wrong) <= spf.TERMS + 2
