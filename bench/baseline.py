"""How a list is usually mailed: a loop over the readers, Jinja2 for each of them, EmailMessage, smtplib.

Written as well as such code is: templates are compiled once, their styles are inlined beforehand, links are the same
compact tokens, and one connection carries all mails of the process. There is no ledger: who had it is known to nobody.
"""

import argparse
import smtplib
from collections.abc import Callable
from email.message import EmailMessage

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

from bench import edition
from core import clock, mailtext, services, settings
from core.services import Services
from core.settings import ROOT
from delivery import content
from digests import rendering

Make = Callable[[int], EmailMessage]


def environment(*, html: bool) -> Environment:
    """Return an environment over the mail templates of the product, without the product's own guards."""
    made = Environment(
        loader=FileSystemLoader(ROOT / "templates" / "mail"),
        autoescape=html,  # noqa: S701 - plain text is not escaped
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    made.globals.update(language="en", direction="ltr")
    return made


def inlined(jinja: Environment, name: str) -> Template:
    """Return a template of a piece whose styles were moved onto its elements before it was compiled."""
    source = (ROOT / "templates" / "mail" / name).read_text("utf-8")
    made = content.inline_fragment(source, rendering.stylesheet())
    if made.count("{{") != source.count("{{") or made.count("{%") != source.count("{%"):
        raise ValueError(f"The styles of {name} cannot be inlined before it is compiled: a tag was lost.")
    return jinja.from_string(made)


def opened(jinja: Environment, text: str) -> Template:
    """Return a rendered frame as a template: its places are variables again."""
    return jinja.from_string(mailtext.PLACE.sub(lambda place: "{{ " + place[1] + " }}", text))


def maker(sent: Services) -> Make:
    """Return what makes the mail of one reader."""
    plain, html = environment(html=False), environment(html=True)
    view = edition.shell_view(sent)
    values = {"publication": sent.publication, "digest": view.digest, "subscribe_url": view.subscribe_url}
    frame = mailtext.render("digest", edition.LANGUAGE, values)
    frame_text, frame_html = opened(plain, frame.text), opened(html, content.inline_document(frame.html))
    story_text, opening_text = plain.get_template("digest/story.txt"), plain.get_template("digest/opening.txt")
    story_html, opening_html = inlined(html, "digest/story.html"), inlined(html, "digest/opening.html")
    views = edition.stories()[: edition.SHOWN]
    day = clock.day_number(clock.utc_now())

    def make(number: int) -> EmailMessage:
        recipient = edition.reader(number)
        assert recipient.reader_key is not None
        links = sent.links.reader(recipient.reader_key, digest=edition.DIGEST, version=1, day=day)
        personal = {"preferences": links.preferences, "unsubscribe": links.unsubscribe}
        shown = edition.opening(views)
        texts = [opening_text.render(opening=shown), *(story_text.render(story=view) for view in views)]
        htmls = [opening_html.render(opening=shown), *(story_html.render(story=view) for view in views)]
        message = EmailMessage()
        message["From"] = f"The Monsoon Courier <{sent.identity.sender}>"
        message["To"] = recipient.address.mailbox
        message["Subject"] = edition.SUBJECT.format(headline=views[0].headline)
        message["Date"] = clock.utc_now()
        message["Message-ID"] = f"<{number}.{day}@{sent.identity.domain}>"
        message["List-Id"] = f"<{edition.DIGEST}.{sent.identity.domain}>"
        message["List-Unsubscribe"] = f"<{links.unsubscribe}>, <mailto:u+{number}.{day}@{sent.identity.bounce_domain}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(frame_text.render(blocks="".join(texts), **personal))
        blocks = Markup("".join(htmls))  # noqa: S704 - rendered just now, escaped
        message.add_alternative(frame_html.render(blocks=blocks, **personal), subtype="html")
        return message

    return make


def main() -> None:
    """Mail readers FIRST to LAST of the list."""
    parser = argparse.ArgumentParser(description="Mail a list with smtplib and EmailMessage, a rendering per reader.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--last", type=int, required=True)
    options = parser.parse_args()
    sent = services.from_settings(settings.load())
    make = maker(sent)
    with smtplib.SMTP("127.0.0.1", options.port) as smtp:
        for number in range(options.first, options.last):
            smtp.send_message(make(number), from_addr=f"bounces@{sent.identity.bounce_domain}")


if __name__ == "__main__":
    main()
