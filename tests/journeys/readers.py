"""What a reader does: fill in the form, open the links of a mail, press the buttons."""

import re
from email.message import EmailMessage

from tests.journeys.houses import House
from tests.web import solving

LINK = re.compile(r"https?://[^\s<>\"]+")


def text_of(mail: EmailMessage) -> str:
    """Return the text part of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    return part.get_content()


def html_of(mail: EmailMessage) -> str:
    """Return the HTML part of a mail."""
    part = mail.get_body(("html",))
    assert part is not None
    return part.get_content()


def links_of(mail: EmailMessage) -> list[str]:
    """Return all links of a mail's text, in order."""
    return LINK.findall(text_of(mail))


def link_to(mail: EmailMessage, page: str) -> str:
    """Return the link of a mail whose address has `/page/` in it."""
    (found,) = {link for link in links_of(mail) if f"/{page}/" in link and "/t/" in link}
    return found


def subscribe(house: House, address: str, *digests: str, language: str = "en", zone: str = "Europe/Rome") -> None:
    """Fill in the form and send it; when it was too fast for a person, once more."""
    path = f"/{language}/subscribe"
    page = house.get(path).data.decode()
    for _time in range(2):
        fields = {**hidden_fields(page), "email": address, "zone": zone}
        if solving.CHALLENGE.search(page):
            fields["altcha"] = solving.solved(page)
        answer = house.post(path, [*fields.items(), *(("digests", digest) for digest in digests)])
        if answer.status == 303:
            return
        page = answer.data.decode()
    raise AssertionError(page)


def hidden_fields(page: str) -> dict[str, str]:
    """Return the names and values of a form's hidden inputs."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))


def join(house: House, address: str, *digests: str) -> EmailMessage:
    """Subscribe and confirm; return the first edition."""
    subscribe(house, address, *digests)
    (mail,) = house.wait_for_mails(1, to=address)
    assert house.post(link_to(mail, "confirm"), []).status == 200
    return house.wait_for_mails(2, to=address)[1]


def headlines(mail: EmailMessage) -> list[str]:
    """Return the headlines of an edition: the headings of its HTML."""
    return [re.sub(r"<[^>]+>", "", found).strip() for found in re.findall(r"<h2[^>]*>(.*?)</h2>", html_of(mail), re.S)]
