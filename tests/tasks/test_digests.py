"""Composing, as tasks do it: a template with a mistake stops its own wave, says so, and holds nobody else up."""

import pytest
from sqlalchemy import select

from core import clock
from core.alerts import Alert
from core.database import db
from core.services import current
from delivery.models import Delivery, Mailing
from digests import desk, editions
from digests.models import Wave
from subscribers import offer
from tasks import digests
from tests.digests import templates
from tests.digests.house import DUE, MINUTE, NOW, TUESDAY, House, lay_out_offer


@pytest.fixture
def house(app, monkeypatch) -> House:
    """A publication whose Asia Daily has a note for Tuesday, with a reader of that and one of Asia Trade."""
    monkeypatch.setattr(clock, "utc_now", lambda: DUE)
    lay_out_offer()
    made = House(current())
    made.reader("daily@example.org")
    made.reader("trade@example.org", digest="asia-trade")
    made.articles(2)
    desk.write_note(offer.by_key("asia-daily"), TUESDAY, "Good morning.", now=NOW)
    db.session.commit()
    return made


def compose_all(at) -> None:
    digests.open_due.run()
    for wave_id in editions.unfinished(at):
        digests.compose.run(wave_id)


def mailed() -> list[str]:
    db.session.rollback()
    keys = select(Mailing.key).join(Delivery, Delivery.mailing_id == Mailing.id).order_by(Mailing.key)
    return [key.split(":")[1] for key in db.session.scalars(keys)]


@pytest.mark.parametrize("mistake", ["{% if %}", "{{ note.nobody.knows }}"], ids=["syntax", "a name"])
def test_a_template_with_a_mistake_stops_its_own_wave_with_a_clear_word_and_no_other(
    house, tmp_path, monkeypatch, mistake
):
    with templates.copied(tmp_path) as folder:
        note = folder / "digest" / "note.html"
        whole = note.read_text("utf-8")
        note.write_text(f"{mistake}\n{whole}", "utf-8")
        compose_all(DUE)
        assert mailed() == ["asia-trade"]
        (alert,) = db.session.scalars(select(Alert))
        assert "Asia Daily" in alert.text and "is stopped: A template of the mail has a mistake." in alert.text
        assert "digest/note.html, line 1: " in alert.text
        note.write_text(whole, "utf-8")
    # It is tried again by itself, and goes out once the template is right.
    later = DUE + 2 * MINUTE
    monkeypatch.setattr(clock, "utc_now", lambda: later)
    compose_all(later)
    assert mailed() == ["asia-daily", "asia-trade"]
    assert set(db.session.scalars(select(Wave.state))) == {"composed"}
