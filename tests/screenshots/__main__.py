"""`make screenshots`: photograph the pages and mails of the demo, as phones, desktops and paper show them.

The shipped service runs from outside, in a folder of its own, and Chromium opens what the table in shots.py names. The
pictures are in var/screenshots/; index.html shows them side by side.
"""

import argparse
import html
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.journeys import houses
from tests.proofs import watching
from tests.screenshots.camera import Camera
from tests.screenshots.scene import Scene
from tests.screenshots.shots import SHOTS, Shot

FOLDER = houses.ROOT / "var" / "screenshots"


def main() -> int:
    """Take the pictures; return 1 when something was wrong that can be told without looking."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("shots", nargs="*", metavar="SHOT", help="names, or how they begin: story- digest-ar (all)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go (%(default)s)")
    parser.add_argument("--documentation", action="store_true", help="write the pictures of the README anew, too")
    given = parser.parse_args()
    wanted = [one for one in SHOTS if not given.shots or one.name.startswith(tuple(given.shots))]
    if not wanted:
        parser.error(f"there is no such picture. There are: {' '.join(one.name for one in SHOTS)}")
    given.folder.mkdir(parents=True, exist_ok=True)
    try:
        faults, taken = photograph(wanted, given.folder, documentation=given.documentation)
    except RuntimeError as error:
        sys.exit(str(error))
    (given.folder / "index.html").write_text(contact_sheet(taken), "utf-8")
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    sys.stdout.write(f"{len(taken)} pictures, {len(faults)} faults. Look at {given.folder / 'index.html'}\n")
    return 1 if faults else 0


def photograph(shots: Sequence[Shot], folder: Path, *, documentation: bool) -> tuple[list[str], list[Path]]:
    """Take these pictures; return what is wrong, and the files. Raises RuntimeError without a browser."""
    taken = []
    with tempfile.TemporaryDirectory() as name, watching.chromium() as browser, houses.local(Path(name)) as house:
        scene, camera = Scene(house), Camera(browser, folder)
        for shot in shots:
            address = shot.place(scene)
            for look in shot.looks:
                beginning = shot.beginning if documentation and look is shot.looks[0] else None
                taken.append(camera.take(f"{shot.name}-{look.name}", address, look, beginning=beginning))
            sys.stdout.write(f"{shot.name}\n")
            sys.stdout.flush()
    return camera.faults, taken


def contact_sheet(files: Sequence[Path]) -> str:
    """Return a page that shows all pictures, each with its name."""
    pieces = []
    for file in files:
        name = html.escape(file.name)
        shown = (
            f'<img src="{name}" alt="">' if file.suffix == ".png" else f'<embed src="{name}" type="application/pdf">'
        )
        pieces.append(f'<figure><a href="{name}">{shown}</a><figcaption>{name}</figcaption></figure>')
    style = "body{display:flex;flex-wrap:wrap;gap:1rem;font-family:sans-serif}img,embed{width:20rem;height:26rem;"
    style += "object-fit:cover;object-position:top;border:1px solid}figure{margin:0}"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Screenshots</title><style>{style}</style>'
    return head + "\n".join(pieces)


if __name__ == "__main__":
    sys.exit(main())
