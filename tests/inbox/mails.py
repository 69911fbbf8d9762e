"""Mails for the tests of the inbox: well made and broken ones."""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

NOW = datetime(2026, 11, 23, 14, 40, 7, 123456, tzinfo=UTC)
READER = "kim@readers.example"
BOUNCES = "b+token@bounces.example"

SCRIPTED = """<!doctype html>
<html><head><title>Asia Daily</title></head><body>
<script>document.title = "ran"; document.body.innerHTML = "ran"</script>
<p id="story"><a href="SITE/story">A harbour opens</a></p>
<p><a id="trick" href="javascript:document.body.innerHTML='ran'">Trick</a></p>
<img src="x" onerror="document.body.innerHTML='ran'" alt="">
<form action="SITE/form"><button>Send</button></form>
</body></html>
"""


def mail(
    subject: str = "Asia Daily",
    text: str | None = "Good morning.\n",
    html: str | None = None,
    to: str = READER,
) -> bytes:
    """Return the bytes of a well-made mail."""
    message = EmailMessage(policy=SMTP)
    message["From"] = "Asia Daily <daily@news.example>"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = "<1@news.example>"
    if text is not None:
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    return message.as_bytes()
