"""`flask articles withdraw` and the like: what they do to mails that have not left."""

import pytest

from articles.models import Article
from core import clock
from core.database import db
from core.services import current
from delivery.models import Content, Delivery, Mailing
from digests.models import Correction, Edition
from tasks import corrections, feeds
from tests.digests.house import DUE, NOW, House, lay_out_offer


@pytest.fixture
def house(app) -> House:
    """A publication with a story that waits in two readers' mails, and another one."""
    lay_out_offer()
    made = House(current())
    for name in ("one", "two"):
        made.reader(f"{name}@example.org")
    made.articles(1)
    made.article("Killed", at=NOW)
    made.go(DUE)
    return made


def ref() -> str:
    return str(db.session.query(Article.public_id).filter_by(headline="Killed").scalar())


def test_withdrawing_makes_the_mails_anew_at_once_and_restoring_puts_the_story_back(flask, house):
    said = flask(f'articles withdraw {ref()} --reason "Killed by the agency."').output
    assert "2 mails that had not left were made anew." in said
    assert sorted(row.recall or "" for row in db.session.query(Content.recall)) == ["", "replaced"]
    said = flask(f"articles restore {ref()}").output
    assert "2 mails that had not left were made anew." in said
    assert [row.recall for row in db.session.query(Content.recall)] == [None, None]


def test_an_embargo_that_ends_by_itself_has_the_mails_made_anew(flask, house, nudged):
    flask(f"articles hold {ref()} --until 2099-01-01")
    assert "replaced" in {row.recall for row in db.session.query(Content.recall)}
    db.session.query(Article).filter_by(state="held").update({"embargo_until": NOW})
    db.session.commit()
    feeds.release_due()
    assert "held" in {row.recall for row in db.session.query(Content.recall)}
    assert nudged[-1] == "tasks.digests.remake"


def test_what_had_left_is_not_counted(flask, house):
    db.session.query(Delivery).update({"state": "sent", "done_at": NOW, "address_sealed": None})
    db.session.commit()
    assert "made anew" not in flask(f'articles withdraw {ref()} --reason "Killed."').output


def test_a_correction_is_told_at_once_or_in_the_next_edition_and_the_editor_says_which(flask, house, nudged):
    db.session.query(Delivery).update({"state": "sent", "done_at": NOW, "address_sealed": None})
    db.session.query(Edition).update({"opened_at": clock.utc_now()})
    db.session.commit()
    flask(f'articles correct {ref()} --text "Not on Monday." --tell now')
    assert nudged[-1] == "tasks.corrections.tell"
    corrections.tell()
    assert db.session.query(Delivery).filter_by(state="planned").count() == 2
    flask(f'articles correct {ref()} --text "Nor on Tuesday."')
    assert [row.tell for row in db.session.query(Correction).filter_by(ended_at=None)] == ["next"]
    assert {row.state for row in db.session.query(Mailing).filter(Mailing.key.like("correction:%"))} == {"cancelled"}
    flask(f"articles correct {ref()} --take-back")
    assert db.session.query(Correction).filter_by(ended_at=None).count() == 0


def test_flashes_that_wait_for_their_story_are_listed_and_an_attached_one_is_not(flask, house):
    said = flask('articles flash "Ferry aground" --language en').output
    flash_id = said.split()[0]
    assert f"{flash_id}  0 min  en  Ferry aground\n1 wait." in flask("articles flashes").output
    flask(f"articles attach {flash_id} {ref()}")
    assert flask("articles flashes").output == "0 wait.\n"
