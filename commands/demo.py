"""`flask demo`: the fictional publication, for a first look and for the tour."""

import click

from articles.ingest import Ingested
from commands import groups
from core import clock, database
from core.database import db
from core.services import current
from demo import publication
from digests import editions
from sharing import switch
from tasks import nudge

demo_commands = groups.group("demo", help="The demo publication.")


@demo_commands.command("load")
def load() -> None:
    """Load the demo's topics, digests and stories. Loading it again changes nothing."""
    loaded = load_publication()
    click.echo(f"{loaded.new} new stories, {loaded.known} known.")


def load_publication() -> Ingested:
    """Load the demo and say how many of its stories were new; the local service does it at its first start."""
    stories = publication.read()
    with database.write_turn():
        now = clock.utc_now()
        loaded = publication.load(stories, now)
        if switch.standing().since is None:
            switch.turn(switch.Mode.VERIFIED, who="the demo", accepted=switch.NOTICE_VERSION, now=now)
        db.session.commit()
    return loaded


@demo_commands.command("tomorrow")
def tomorrow() -> None:
    """Bring tomorrow's stories in and make every reader's next edition due now.

    The tour uses it, so that nobody has to wait until morning to see a regular edition.
    """
    if not publication.is_here():
        raise click.ClickException("This is not the demo: its stories are not here. `flask demo load` brings them in.")
    db.session.rollback()
    stories = publication.read(late=True)
    now = clock.utc_now()
    with database.write_turn():
        loaded = publication.store(stories, now)
        publication.make_due(now)
        editions.open_due(now, current())
        db.session.commit()
    nudge.digests()
    came = f"{loaded.new} new stories came in." if loaded.new else "Tomorrow's stories were here already."
    click.echo(f"{came} Every reader's next edition is due now; where there is nothing new, no mail comes.")
