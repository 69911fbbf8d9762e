"""Find a story's text on its page: a program of its own (core.apart), so that nothing else loads what reads pages.

It reads a line of JSON, the page's address and the encoding that its server states, and the page; it writes HTML, as
JSON, that is not clean yet.
"""

import json
import sys

import trafilatura

from core import apart


def main() -> None:
    """Read the page, and write what was found."""
    apart.bound()
    told, _line, content = sys.stdin.buffer.read().partition(b"\n")
    facts = json.loads(told)
    found = trafilatura.extract(
        decoded(content, facts["charset"]),
        url=facts["url"],
        output_format="html",
        favor_precision=True,
        include_comments=False,
        include_formatting=True,
        include_links=True,
    )
    sys.stdout.write(json.dumps(found or ""))


def decoded(content: bytes, charset: str) -> bytes | str:
    """Return a page's text, if its server says in which encoding it is; else its bytes, which say it themselves."""
    try:
        return content.decode(charset, "replace") if charset else content
    except LookupError:
        return content


if __name__ == "__main__":
    main()
