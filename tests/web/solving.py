"""A browser's part of the proof of work, for tests without a browser."""

import html
import json
import re

import altcha

CHALLENGE = re.compile(r'data-challenge="([^"]*)"')


def solved(page: str) -> str:
    """Return the proof for the form on a page."""
    found = CHALLENGE.search(page)
    assert found is not None, "the form asks for no proof"
    challenge = altcha.Challenge.from_dict(json.loads(html.unescape(found[1])))
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    return altcha.Payload(challenge, solution).to_base64()
