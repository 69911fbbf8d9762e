"""The templates of mails, copied for a test that changes them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from core import mailtext
from core.settings import ROOT
from digests import designs


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """Have mails made of a copy of their templates; what was compiled of others is forgotten before and after."""
    copy = folder / "mail"
    shutil.copytree(ROOT / "templates" / "mail", copy)
    with mock.patch.object(mailtext, "FOLDER", copy):
        designs.forget()
        yield copy
    designs.forget()
