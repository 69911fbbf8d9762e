"""What a mail of a digest says, read as its reader does: by the standard library alone."""

import email
import email.message
import email.policy
import re
from dataclasses import dataclass

_UPDATED = {"en": "Updated since we mailed you", "it": "Aggiornata dopo il nostro invio"}
_ALERTED = {"en": "You had our alert at ", "it": "Ti abbiamo avvisato alle "}
_MORE = {"en": r"^(\d+) more stor(?:y|ies)", "it": r"^(\d+) altr[ae] notizi[ae]"}
_FRONT = {"en": "Front page", "it": "Prima pagina"}
_TIME = re.compile(r"(\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Read:
    """Stories in full, each with its marks ("front", "updated", "alerted 14:05", several with "; " between, or "");
    headlines; how many more; is there HTML.
    """

    full: tuple[tuple[str, str], ...]
    headlines: tuple[str, ...]
    more: int
    has_html: bool


def read(raw: str, language: str) -> Read:
    """Read a mail, given as its bytes in Latin-1."""
    parsed = email.message_from_bytes(raw.encode("latin-1"), policy=email.policy.default)
    text = _part(parsed, "plain")
    assert text is not None, "there is a text in every mail"
    lines = text.splitlines()
    full, headlines = [], []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        numbered = re.fullmatch(r"\d+\. (.+)", line)
        if numbered and following.startswith("http"):
            headlines.append(numbered[1])
        elif numbered:
            full.append((numbered[1], _mark(following, language)))
    more = next((int(found[1]) for line in lines if (found := re.match(_MORE[language], line))), 0)
    return Read(tuple(full), tuple(headlines), more, has_html=_part(parsed, "html") is not None)


def subject(raw: str) -> str:
    """Return the subject of a mail."""
    return str(email.message_from_bytes(raw.encode("latin-1"), policy=email.policy.default)["Subject"])


def _part(parsed: email.message.EmailMessage, kind: str) -> str | None:
    body = parsed.get_body((kind,))
    return None if body is None else str(body.get_content())


def _mark(line: str, language: str) -> str:
    marks = []
    for label in line.split(" · "):
        if label == _FRONT[language]:
            marks.append("front")
        elif label.startswith(_ALERTED[language]):
            found = _TIME.search(label)
            marks.append(f"alerted {found[1]}" if found else "alerted")
        elif label == _UPDATED[language]:
            marks.append("updated")
    return "; ".join(marks)
