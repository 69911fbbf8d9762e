"""Bring translations/ up to date: every message of the code and the templates, in every catalogue.

`python -m tools.messages` adds what is new, empty, and takes out what is gone; a translator fills the gaps.
"""

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = ROOT / "translations"
METHODS = [
    ("templates/**.html", "jinja2"),
    ("templates/**.txt", "jinja2"),
    ("web/**.py", "python"),
    ("core/**.py", "python"),
    ("subscribers/**.py", "python"),
    ("articles/**.py", "python"),
    ("digests/**.py", "python"),
    ("sharing/**.py", "python"),
    ("delivery/**.py", "python"),
    ("inbox/**.py", "python"),
]
OPTIONS = {"templates/**.html": {"silent": "false"}, "templates/**.txt": {"silent": "false"}}


def extracted() -> Catalog:
    """Return every message that stands in the code and the templates."""
    catalogue = Catalog(project="Postrider", charset="utf-8")
    found = extract_from_dir(ROOT, METHODS, OPTIONS, comment_tags=("NOTE:",), directory_filter=_is_ours)
    for file, _line, message, comments, context in found:
        catalogue.add(message, locations=[(Path(file).as_posix(), 0)], auto_comments=comments, context=context)
    return catalogue


def _is_ours(folder: str) -> bool:
    return not Path(folder).name.startswith((".", "_")) and Path(folder).name not in ("var", "migrations", "tests")


def catalogues() -> dict[str, Path]:
    """Return the catalogue files by language."""
    return {path.parent.parent.name: path for path in sorted(CATALOGUES.glob("*/LC_MESSAGES/messages.po"))}


def read(language: str) -> Catalog:
    """Return the catalogue of a language as it is stored."""
    with catalogues()[language].open("rb") as file:
        # A folder is called as the configuration writes the language: zh-Hans. Babel writes it zh_Hans.
        return read_po(file, locale=language.replace("-", "_"))


def main() -> int:
    """Update every catalogue; return how many gaps are left, as the exit status (0: complete)."""
    template, gaps = extracted(), 0
    for language, path in catalogues().items():
        catalogue = read(language)
        # The date is that of the catalogue's making: a new one each time would hide what has really changed.
        template.creation_date = catalogue.creation_date
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        missing = len([message for message in catalogue if message.id and not _complete(message.string)])
        with path.open("wb") as file:
            write_po(file, catalogue, width=100, sort_output=True, omit_header=False, ignore_obsolete=True)
        print(f"{language}: {len(catalogue)} messages, {missing} to translate in {path.relative_to(ROOT)}")
        gaps += missing
    return min(gaps, 1)


def _complete(string: object) -> bool:
    return all(string) if isinstance(string, (tuple, list)) else bool(string)


if __name__ == "__main__":
    sys.exit(main())
