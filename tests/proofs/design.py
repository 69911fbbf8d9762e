"""The design of a digest, looked at by those who know mail programs, markup, listeners and spam; and photographed.

`make proof-design` runs it and writes docs/proofs/design.md and docs/images/mail/. It needs npm, Java, Chromium and
Debian's package spamassassin, and says so.
"""

import email.message
import email.policy
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from commands.digests_design import design_app
from core.settings import ROOT
from digests import designs
from tests import conftest, installation
from tests.proofs import design_facts, page, reading
from tools import programs

CANIEMAIL = "caniemail@2.0.2"
LANGUAGES = ("en", "ar", "it", "zh-Hans", "ko")
MOST_OCTETS = 90_000
MOST_POINTS = 1.0
"""SpamAssassin calls spam what has 5."""
PICTURES = ROOT / "docs" / "images" / "mail"
SHOTS = {
    "desktop-light": ("day/en", 700, "light", True),
    "desktop-dark": ("day/en", 700, "dark", True),
    "phone-light": ("day/en", 375, "light", True),
    "phone-pictures-off": ("day/en", 375, "light", False),
    "phone-arabic": ("day/ar", 375, "light", True),
    "phone-chinese-dark": ("day/zh-Hans", 375, "dark", True),
    "one-story": ("one/en", 700, "light", True),
    "thirty-stories": ("thirty/en", 700, "light", True),
    "first-edition-320": ("first/it", 320, "light", True),
}
"""What is photographed: what of, how wide, in which scheme, with pictures or not."""
_SHOWN_HIGH = 1_500


def caniemail() -> list[dict[str, object]]:
    """Return what is known of mail programs, from the package, which is fetched where it is not there yet."""
    folder = ROOT / "var" / "caniemail"
    file = folder / "node_modules" / "caniemail" / "data" / "caniemail.json"
    if not file.exists():
        if shutil.which("npm") is None:
            sys.exit("This proof needs npm, to fetch what is known of mail programs: apt-get install -y npm")
        folder.mkdir(parents=True, exist_ok=True)
        fetch = ["npm", "install", "--silent", "--ignore-scripts", "--prefix", str(folder), CANIEMAIL]
        subprocess.run(fetch, check=True)
    found: list[dict[str, object]] = json.loads(file.read_text("utf-8"))["data"]
    return found


@contextmanager
def served() -> Iterator[str]:
    """Serve the designs as `flask digests preview-design` does."""
    services = installation.services_for(installation.settings_for("sqlite:///none.db"))
    server = make_server("127.0.0.1", 0, design_app(services, ""), threaded=True)
    base = f"http://127.0.0.1:{server.server_port}"
    server.app = design_app(services, base)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield base
    finally:
        server.shutdown()
        thread.join()


def points(text: str, html: str) -> float:
    """Return what SpamAssassin, without asking anybody, gives a mail with these two forms."""
    if shutil.which("spamassassin") is None:
        sys.exit("This proof needs SpamAssassin: apt-get install -y spamassassin")
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    headers = {
        "Received": "from a.example.org (a.example.org [93.184.216.34]) by b.test; Mon, 30 Nov 2026 07:00:00 +0000",
        "From": "The Monsoon Courier <news@monsoon.example.org>",
        "To": "reader@example.org",
        "Subject": "The Monsoon Courier: the day in Asia",
        "Date": "Mon, 30 Nov 2026 07:00:00 +0000",
        "Message-ID": "<2jxu77xqhrciycaw@monsoon.example.org>",
        "List-Id": "<asia-daily.monsoon.example.org>",
    }
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(text)
    mail.add_alternative(html, subtype="html")
    read = subprocess.run(
        ["spamassassin", "-L", "-x", "-t"], input=bytes(mail).replace(b"\r\n", b"\n"), capture_output=True, check=True
    )
    (line,) = (one for one in read.stdout.splitlines() if one.startswith(b"Content analysis details:"))
    return float(line.partition(b"(")[2].split()[0])


def looked_at(browser: Browser, base: str) -> tuple[int, list[str]]:
    """Return how many views axe has looked at, and what it or a screen that is too narrow says."""
    views, faults = 0, []
    options = {"runOnly": {"type": "tag", "values": conftest.WCAG}}
    for kind in designs.KINDS:
        for language, width, scheme in (
            ("en", 320, "light"),
            ("en", 700, "dark"),
            ("ar", 320, "dark"),
            ("ko", 375, "light"),
        ):
            shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
            # As a page of its own: where it is served, it may run no script, and axe is one.
            shown.set_content(shown.request.get(f"{base}/{kind}/{language}.html").text())
            found = Axe().run(shown, options=options).response["violations"]
            faults += [f"{kind} {language} {scheme}: {one['id']}" for one in found]
            if shown.evaluate("document.documentElement.scrollWidth") > width:
                faults.append(f"{kind} {language}: wider than {width} pixels")
            shown.close()
            views += 1
    return views, faults


def photograph(browser: Browser, base: str) -> None:
    """Take the pictures of docs/images/mail/, small enough to be kept."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, (path, width, scheme, with_pictures) in SHOTS.items():
        shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        if not with_pictures:
            shown.route("**/*.jpg", lambda route: route.abort())
        shown.goto(f"{base}/{path}.html")
        file = PICTURES / f"{name}.png"
        shown.screenshot(path=file, full_page=True)
        shown.close()
        with Image.open(file) as image:
            small = image.crop((0, 0, image.width, min(image.height, _SHOWN_HIGH))).convert("RGB").quantize(64)
        small.save(file, optimize=True)


def main() -> None:
    """Look at all designs, and write the page."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    data = caniemail()
    faults: list[str] = []
    lacking: dict[str, list[str]] = {}
    spam: list[float] = []
    longest = 0
    with served() as base, sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=programs.find(programs.BROWSER), args=_options())
        mails = {
            (kind, language): _mail(browser, base, kind, language) for kind in designs.KINDS for language in LANGUAGES
        }
        for (kind, language), (text, html) in mails.items():
            lacking |= design_facts.unknown(html, data)
            longest = max(longest, len(html.encode()))
            if len(html.encode()) > MOST_OCTETS:
                faults.append(f"{kind} {language} has {len(html.encode())} octets")
            if kind in ("day", "one"):
                spam.append(points(text, html))
        checked = {
            f"{reading.MAIL}{kind} {language}": html.encode() for (kind, language), (_text, html) in mails.items()
        }
        invalid = reading.invalid(Path(folder), checked) + reading.misread(checked)
        views, seen = looked_at(browser, base)
        photograph(browser, base)
        browser.close()
    unexplained = sorted(set(lacking) - set(design_facts.ALLOWED))
    faults += [f"no reason is given for {one}" for one in unexplained]
    faults += [f"a reason is given for {one}, which harms nobody" for one in set(design_facts.ALLOWED) - set(lacking)]
    faults += invalid + seen
    if max(spam) > MOST_POINTS:
        faults.append(f"SpamAssassin gives {max(spam)} points")
    page.write(
        "design",
        title="The design of a digest is fit for mail programs",
        claim=_claim(lacking),
        rows={
            "designs: kinds of digests, in five languages": len(mails),
            "octets of HTML of the longest, thirty stories and ten headlines": longest,
            "things used that Gmail, Outlook, Apple Mail or Yahoo do not know in full (caniemail)": len(lacking),
            "of these without a reason why that does no harm": len(unexplained),
            "errors of the Nu Html Checker and of a strict html5lib": len(invalid),
            "views looked at by axe, 320 to 700 pixels wide, light and dark": views,
            "violations of WCAG 2.2 AA, and views wider than their screen": len(seen),
            "points that SpamAssassin gives at the most (5 are spam)": max(spam),
            "screenshots in docs/images/mail/": len(SHOTS),
        },
        faults=faults,
    )
    if faults:
        sys.exit(1)


def _options() -> list[str]:
    return [*conftest.BROWSER_OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def _mail(browser: Browser, base: str, kind: str, language: str) -> tuple[str, str]:
    shown = browser.new_page()
    text, html = (shown.request.get(f"{base}/{kind}/{language}.{form}").text() for form in ("txt", "html"))
    shown.close()
    return text, html


def _families(programs: list[str]) -> str:
    return ", ".join(sorted({one.split()[0] for one in programs}))


def _claim(lacking: dict[str, list[str]]) -> str:
    reasons = "\n".join(
        f"| {name} | {_families(programs)} | {design_facts.ALLOWED.get(name, '?')} |"
        for name, programs in sorted(lacking.items())
    )
    return (
        "Digests of every kind and language are made as `flask digests preview-design` makes them: small enough not to "
        "be cut off, valid but for what only Outlook needs (sizes and alignment as attributes of tables), usable by "
        "everybody, not like spam. What of their HTML and CSS some mail program does not know, by the data of "
        "caniemail.com, is listed with the reason why that does no harm.\n\n"
        f"| what | not known in full by | why it does no harm |\n|---|---|---|\n{reasons}"
    )


if __name__ == "__main__":
    main()
