"""Do in an installation what publishers and editors do, many times at once, in a process of its own with its settings.

`python -m tests.proofs.handing FEEDS.json`: feeds are handed in, their pictures found, and each of their stories is
corrected or withdrawn with the words that are given.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageOps
from sqlalchemy import select

from app import create_app
from articles import feeds, ingest, life, pictures_due, renditions
from articles.models import Article
from articles.pictures import PictureSource
from core import clock, database
from core.database import db
from tests.articles import images
from tests.journeys.houses import House


def hand(house: House, asked: Mapping[str, object]) -> None:
    """Have it done in a running house."""
    file = house.folder / "asked.json"
    file.write_text(json.dumps(asked), "utf-8")
    house.start("handing", sys.executable, "-m", "tests.proofs.handing", str(file))
    process = house.processes.pop("handing")
    assert process.wait(300) == 0, house.logs()[-3000:]


def find_pictures() -> None:
    """Let every picture that is waited for have been found: so that what is said of it is shown. Flushes."""
    dusk = ImageOps.colorize(Image.linear_gradient("L").resize((1200, 800)), "#27384f", "#e9c9a0")
    made = renditions.make(images.packed(dusk))
    for source in db.session.scalars(select(PictureSource).where(PictureSource.state == "waiting")).all():
        pictures_due.note_made(source.id, made, clock.utc_now())


def main() -> None:
    """Do what the file says."""
    asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    with create_app().app_context():
        for url, file in asked.get("feeds", {}).items():
            read = ingest.read_entries(None, Path(file).read_bytes())
            with database.write_turn():
                feed = feeds.ensure(url, language="en", now=clock.utc_now(), fetched=False)
                stored = ingest.store_entries(feed.id, read, clock.utc_now())
                db.session.commit()
            sys.stdout.write(f"{url} {stored.new} {stored.refused}\n")
        with database.write_turn():
            find_pictures()
            db.session.commit()
        for doing in ("correct", "withdraw"):
            with database.write_turn():
                for public_id, words in asked.get(doing, {}).items():
                    article = db.session.scalars(select(Article).where(Article.public_id == public_id)).one()
                    if doing == "correct":
                        life.correct(article, text=words, now=clock.utc_now())
                    else:
                        life.withdraw(article, reason=words)
                db.session.commit()


if __name__ == "__main__":
    main()
