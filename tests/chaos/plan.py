"""What is to be mailed in one run: mailings, recipients with their scripts, and who must get nothing; by the seed."""

import random
from typing import Any

from tests.chaos import scripts
from tests.chaos.scripts import ALWAYS, Script

Wish = dict[str, Any]

DOMAINS = [*(f"p{number}.test" for number in range(12)), "example.org", "example.net"]
SOUR = "sour.test"
"""The provider that puts everybody off, so that its gate closes."""
TROUBLE = 0.3
"""The part of the other recipients to whom the relay does something."""
TRANSACTIONAL, BREAKING, SHARE, DIGEST = 0, 10, 20, 30
MAILINGS = (
    # key, lane, stream, policy for doubts, link set, how many of a hundred
    ("edition:chaos-a", DIGEST, "digest:chaos-a", "resend", 1, 38),
    ("edition:chaos-b", DIGEST, "digest:chaos-b", "skip", 1, 26),
    ("edition:chaos-c", DIGEST, "digest:chaos-c", "resend", 1, 10),
    ("breaking:chaos-d", BREAKING, "digest:chaos-d", "skip", 1, 8),
    ("share:chaos", SHARE, "share", "resend", 0, 6),
    ("system:chaos", TRANSACTIONAL, "system", "resend", 2, 12),
)
CONTROLLED = {"pause": "edition:chaos-b", "cancel": "edition:chaos-c"}
"""The mailings that a person pauses and cancels on the way."""
RELAYS_OWN = ("mail-421-1x", "mail-4xx-1x", "mail-5xx-1x", "mail-login-1x", "rcpt-421-1x", "data-421-1x", "dot-421-1x")
THROTTLED = ("rcpt-454-1x", "dot-454-1x", "dot-454-2x")


def make(seed: int, *, count: int, sour: float = 0.04, often: str = "") -> Wish:
    """Return the wish for `count` recipients: a part of `sour` at the provider that puts mails off, half `often`."""
    chance = random.Random(seed)
    mailings = []
    number = 0
    for key, lane, stream, policy, links, share in MAILINGS:
        contents = []
        for version in range(1, chance.randint(2, 4)):
            people = []
            for _one in range(max(1, round(count * share / 100 / 2))):
                number += 1
                people.append(_recipient(chance, number, sour, stream, lane))
            marks = [f"{key}:{version}:{story}" for story in range(chance.randint(1, 3))]
            contents.append({"marks": marks, "filler": chance.choice((0, 30, 400)), "recipients": people})
        mailings.append(
            {
                "key": key,
                "lane": lane,
                "stream": stream,
                "policy": policy,
                "link_set": links,
                "contents": contents,
            }
        )
    wish = {"seed": seed, "mailings": mailings}
    if often:
        for one in recipients(wish)[::2]:
            one |= {"to": f"{often}.r{one['to'].partition('.r')[2]}", "seconds": 86_400.0}
    return wish


def readers(seed: int, *, count: int) -> Wish:
    """Return the wish for readers of an edition that is still to be opened and composed."""
    chance = random.Random(seed)
    found = [_recipient(chance, number, 0.04, "digest:asia-daily", DIGEST) for number in range(count)]
    for one in found:
        one["suppressed"] = one["suppressed"] and "during"
        if one["seconds"] < 3600:
            # An edition is not to leave after twelve hours: what is put off for longer never ends in a run.
            one["to"] = f"ok.r{one['to'].partition('.r')[2]}"
    return {"seed": seed, "readers": found}


def _recipient(chance: random.Random, number: int, sour: float, stream: str, lane: int) -> dict[str, Any]:
    script, domain = Script(), chance.choice(DOMAINS)
    if chance.random() < sour:
        script, domain = (Script("rcpt", "4xx", chance.randint(1, 3)) if chance.random() < 0.5 else Script()), SOUR
    elif chance.random() < TROUBLE:
        script = _script(chance)
    lasting = script.times == ALWAYS and script.phase != "" and script.act in ("4xx", "policy")
    seconds = chance.uniform(4, 14) if lasting or chance.random() < 0.02 else 86_400.0
    fate = chance.random()
    scopes = ["all", stream] if lane == TRANSACTIONAL else ["all", "bulk", stream]
    return {
        "to": f"{script}.r{number}@{domain}",
        "seconds": seconds,
        "suppressed": "before" if fate < 0.04 else "during" if fate < 0.08 else "",
        "scope": chance.choice(scopes),
    }


def _script(chance: random.Random) -> Script:
    """Return one trouble; what is the relay's own comes seldom, since it holds all mail up."""
    if chance.random() < 0.08:
        return scripts.read(chance.choice(RELAYS_OWN) + ".x@")
    if chance.random() < 0.05:
        return scripts.read(chance.choice(THROTTLED) + ".x@")
    choices = [
        (phase, act)
        for phase, acts in scripts.ACTS.items()
        for act in acts
        if phase != "mail" and act not in ("421", "454")
    ]
    phase, act = chance.choice(choices)
    if act in ("5xx", "slow"):
        return Script(phase, act)
    if act in ("garbage", "hang", "drop", "policy") and not (phase == "dot" and act != "policy"):
        return Script(phase, act, chance.randint(1, 2))
    return Script(phase, act, chance.choice((1, 1, 2, ALWAYS)))


def recipients(wish: Wish) -> list[dict[str, Any]]:
    """Return all recipients of a wish, in order."""
    if "readers" in wish:
        return list(wish["readers"])
    return [one for mailing in wish["mailings"] for content in mailing["contents"] for one in content["recipients"]]
