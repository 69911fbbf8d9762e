"""One reader, from the form to the last mail, on both pairs of database and broker."""

import json
import re

from tests.journeys import houses, readers
from tests.journeys.houses import House

READER = "Mina.Okafor@example.org"


def test_a_reader_subscribes_reads_changes_and_leaves(house: House) -> None:
    readers.subscribe(house, READER, "asia-daily", "asia-arabic")
    if "relay" not in house.processes and "REDIS_URL" in house.environment:
        # The relay was down until now: the confirmation waited in the ledger.
        houses.wait_until(lambda: "planned" in house.flask("delivery", "status"), "the waiting mail", house)
        houses.open_relay(house)

    (confirmation,) = house.wait_for_mails(1, to=READER)
    assert confirmation["Auto-Submitted"] == "auto-generated"
    link = readers.link_to(confirmation, "confirm")
    for _ in range(3):
        assert house.get(link).status == 200
    assert len(house.mails()) == 1, "a GET confirms nothing"

    welcome = house.post(link, [])
    assert welcome.status == 200 and b"Asia Daily" in welcome.data
    first = house.wait_for_mails(2, to=READER)[1]
    assert len(readers.headlines(first)) == 10
    assert "آسيا اليوم" in readers.text_of(first), "it says when the other digest begins"
    _check_headers(first)

    house.post(link, [])
    house.flask("demo", "tomorrow")
    mails = house.wait_for_mails(4, to=READER)
    daily, arabic = sorted(mails[2:], key=lambda mail: str(mail["List-Id"]), reverse=True)
    assert len(readers.headlines(daily)) == 4, "only what came in since the first edition"
    assert not set(readers.headlines(daily)) & set(readers.headlines(first))
    assert 'dir="rtl"' in readers.html_of(arabic)

    house.flask("demo", "tomorrow")
    _choose_text_only(house, readers.link_to(daily, "preferences"))
    _leave_by_one_click(house, daily)
    houses.wait_until(lambda: _all_composed(house), "the empty editions", house)
    assert "planned" not in house.flask("delivery", "status")
    assert len(house.mails(READER)) == 4, "nothing new, no mail"
    house.post(link, [])
    assert b"/preferences/asia-daily/t/" not in house.get(readers.link_to(daily, "preferences")).data, "left is left"
    assert "in_doubt" not in house.flask("delivery", "status")
    assert not [line for line in house.logs().splitlines() if re.search(r"/t/[a-z2-7]{20}|okafor@", line, re.I)]


def _check_headers(mail) -> None:
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    by_click, by_mail = mail["List-Unsubscribe"].split(", ")
    assert re.fullmatch(r"<http://127\.0\.0\.1:\d+/unsubscribe/asia-daily/t/[a-z2-7]{47}>", by_click)
    assert re.fullmatch(r"<mailto:u\+[a-z2-7]{29}@[a-z.]+>", by_mail)
    assert mail["Reply-To"] == "desk@monsoon.example.org"
    assert all(mail[name] for name in ("List-Id", "Feedback-ID", "Message-ID", "Date"))
    assert not any("@" in link for link in readers.links_of(mail))


def _choose_text_only(house: House, preferences: str) -> None:
    page = house.get(preferences).data.decode()
    choices = re.search(r'href="([^"#]*/preferences/asia-daily/t/[a-z2-7]+)', page)
    assert choices is not None
    form = house.get(choices[1]).data.decode()
    fields = [(name, value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)]
    fields += [("rhythm", "weekly"), ("weekday", "6"), ("hour", "6"), ("quarter", "30"), ("zone", "Asia/Seoul")]
    saved = house.post(choices[1], [*fields, ("format", "text"), ("topics", "religion"), ("pause", "none")])
    assert saved.status == 303, saved.data
    assert "Seoul" in house.get(preferences).data.decode()


def _leave_by_one_click(house: House, mail) -> None:
    target = mail["List-Unsubscribe"].partition(",")[0].strip("<>")
    assert house.get(target).status == 200
    body = [("List-Unsubscribe", "One-Click")]
    assert house.post(target, body).status == 200
    multipart = house.http.request("POST", target, fields=body, encode_multipart=True, redirect=False)
    assert multipart.status == 200


def _all_composed(house: House) -> bool:
    waves = json.loads(house.flask("digests", "status", "--json"))
    regular = [wave for wave in waves if wave["kind"] == "regular"]
    return len(regular) == 4 and {wave["state"] for wave in waves} == {"composed"}
