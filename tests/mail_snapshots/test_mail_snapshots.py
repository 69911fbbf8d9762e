"""Every mail that the product sends, as its reader gets it, compared letter by letter with what lies in this folder.

A mail that is to look otherwise: `RENEW_SNAPSHOTS=1 .venv/bin/python -m pytest tests/mail_snapshots`, and read what
git says has changed.
"""

import os
import re
from pathlib import Path

import pytest

from core.settings import ROOT
from tests.digests.house import Mail
from tests.mail_snapshots import scene

FOLDER = Path(__file__).parent
HEADERS = (
    *("From", "Reply-To", "To", "Subject", "Auto-Submitted"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"),
)
NAMES = sorted({path.stem for path in FOLDER.glob("*.txt")})
_VARYING = ((re.compile(r"/t/[a-z2-7]{20,}"), "/t/TOKEN"), (re.compile(r"mailto:u\+[a-z2-7]+@"), "mailto:u+TOKEN@"))
"""What is drawn anew for each reader: the tokens of their links."""


@pytest.fixture(scope="module")
def mails(tmp_path_factory) -> dict[str, dict[str, str]]:
    """Each mail by its name and language, as the texts that are kept of it."""
    made = scene.mails_by_name(tmp_path_factory.mktemp("snapshots"))
    texts = {name: _texts(mail) for name, mail in made.items()}
    if os.environ.get("RENEW_SNAPSHOTS"):
        _renew(texts)
    return texts


def _texts(mail: Mail) -> dict[str, str]:
    """Return the headers that people see and the text; and the HTML."""
    head = "".join(f"{name}: {mail.parsed[name]}\n" for name in HEADERS if mail.parsed[name])
    found = {".txt": f"{head}\n{mail.text}"}
    if mail.parsed.get_body(("html",)) is not None:
        found[".html"] = mail.html
    return {kind: _normalised(text) for kind, text in found.items()}


def _normalised(text: str) -> str:
    for varying, instead in _VARYING:
        text = varying.sub(instead, text)
    return text


def _renew(texts: dict[str, dict[str, str]]) -> None:
    for path in (*FOLDER.glob("*.txt"), *FOLDER.glob("*.html")):
        path.unlink()
    for name, kinds in texts.items():
        for kind, text in kinds.items():
            (FOLDER / f"{name}{kind}").write_text(text, "utf-8", newline="\n")


def test_there_is_a_snapshot_of_each_mail_and_of_nothing_else(mails):
    kept = {path.name for path in FOLDER.iterdir() if path.suffix in (".txt", ".html")}
    assert kept == {f"{name}{kind}" for name, kinds in mails.items() for kind in kinds}


@pytest.mark.parametrize("name", NAMES)
def test_a_mail_is_as_its_snapshot(mails, name):
    for kind, text in mails[name].items():
        kept = (FOLDER / f"{name}{kind}").read_text("utf-8")
        assert text == kept, "is it meant so? Then RENEW_SNAPSHOTS=1 .venv/bin/python -m pytest tests/mail_snapshots"


@pytest.mark.parametrize("folder", sorted(path.name for path in (ROOT / "templates" / "mail").glob("*/")))
def test_each_folder_of_templates_has_a_snapshot(folder):
    assert (FOLDER / f"{folder}.en.txt").is_file(), f"have {folder} come to be in tests/mail_snapshots/scene.py"
