"""The limits on what comes back: defaults that the large providers ask for, and clear refusals."""

import pytest

from core.errors import SettingsError
from core.limits import LIMIT_KEYS, Limit, ReturnLimits, read_limits


def test_without_settings_the_limits_are_those_that_large_providers_ask_for():
    assert read_limits({}) == ReturnLimits(Limit(0.001, 0.003, 1000), Limit(0.02, 0.05, 200))


def test_every_limit_can_be_set():
    values = dict(zip(LIMIT_KEYS, (0.05, 0.2, 500, 1, 3.5, 100), strict=True))
    found = read_limits({"limits": values})
    assert found.complaints == Limit(0.0005, 0.002, 500)
    assert found.bounces == Limit(0.01, 0.035, 100)


@pytest.mark.parametrize(
    ("section", "cure"),
    [
        ({"complaints_stop": 1}, "complaints_stop_percent"),
        ({"complaints_stop_percent": 0}, "a percentage, like 0.3"),
        ({"complaints_stop_percent": "0.3"}, "a percentage, like 0.3"),
        ({"bounces_stop_percent": 101}, "a percentage, like 0.3"),
        ({"bounces_warn_percent": True}, "a percentage, like 0.3"),
        ({"bounces_warn_percent": float("nan")}, "a percentage, like 0.3"),
        ({"bounces_warn_percent": 6}, "nobody would be warned"),
        ({"bounces_least_mails": 0}, "1 or more"),
        ({"bounces_least_mails": 1.5}, "1 or more"),
        (["x"], "a table"),
    ],
)
def test_what_cannot_be_a_limit_is_refused_with_the_cure(section, cure):
    with pytest.raises(SettingsError, match=cure):
        read_limits({"limits": section})
