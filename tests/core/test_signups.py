"""The settings of the sign-up form: read from [signup], and refused with a sentence that names the cure."""

import pytest

from core import signups
from core.errors import SettingsError
from core.signups import SignupSettings


def test_without_a_section_everything_is_as_it_is_given():
    assert signups.read_signups({}) == SignupSettings()


def test_what_is_set_is_taken():
    section = {
        "proof_of_work": False,
        "frame_ancestors": ["https://www.example.org/", "https://EXAMPLE.com:8443", "http://127.0.0.1:8000"],
        "per_origin_hour": 7,
        "most_unconfirmed": 100_000,
    }
    assert signups.read_signups({"signup": section}) == SignupSettings(
        proof_of_work=False,
        frame_ancestors=("https://www.example.org", "https://example.com:8443", "http://127.0.0.1:8000"),
        per_origin_hour=7,
        most_unconfirmed=100_000,
    )


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ([], "signup"),
        ({"proof": True}, "proof_of_work"),
        ({"proof_of_work": "yes"}, "proof_of_work"),
        ({"per_origin_hour": -1}, "per_origin_hour"),
        ({"per_origin_day": True}, "per_origin_day"),
        ({"per_domain_hour": 1001}, "per_domain_hour"),
        ({"most_unconfirmed": 0}, "most_unconfirmed"),
        ({"most_unconfirmed": 2.5}, "most_unconfirmed"),
        ({"frame_ancestors": "https://www.example.org"}, "frame_ancestors"),
        ({"frame_ancestors": ["https://www.example.org"] * 21}, "frame_ancestors"),
    ],
)
def test_a_wrong_setting_is_named(section, named):
    with pytest.raises(SettingsError, match=named):
        signups.read_signups({"signup": section})


@pytest.mark.parametrize(
    "site",
    [
        *("*", "'self'", "https:", "www.example.org", "http://www.example.org", "https://*.example.org"),
        *("https://www.example.org/page", "https://www.example.org?x", "https://user@example.org", 7, ""),
        *("https://a;script-src *", "https://a;script-src", "https://a,b", "https://exämple.org", "https://[::1]"),
    ],
)
def test_a_site_that_would_say_more_than_its_name_is_refused(site):
    with pytest.raises(SettingsError, match="frame_ancestors"):
        signups.read_signups({"signup": {"frame_ancestors": [site]}})
