"""What a reader gets of one digest, in the pieces of one sentence; and by when the next mail comes."""

from collections.abc import Sequence
from datetime import datetime

from articles.models import Topic
from subscribers.models import Digest
from subscribers.preferences import Chosen
from web import changes, pages, words


def described(digest: Digest, chosen: Chosen, topics: Sequence[Topic], next_by: datetime | None) -> dict[str, object]:
    """Return what `templates/preferences/sentence.html` says of choices. `topics` are all topics there are."""
    wanted = [*chosen.countries, *chosen.topics]
    named = {topic.key: topic for topic in topics}
    found = [named[key] for key in wanted if key in named]
    shelves = [topic for kind in ("country", "theme") for topic in words.in_order(found) if topic.kind == kind]
    weekly = chosen.rhythm == "weekly" and chosen.weekday is not None
    return {
        "digest": digest,
        "rhythm": chosen.rhythm,
        "weekday": words.weekdays()[chosen.weekday or 0] if weekly else None,
        "time": words.minute(chosen.minute),
        "city": words.city(chosen.zone),
        "topics": words.on_topics(shelves),
        "how_often": changes.rhythm(chosen.fields()["rhythm"]),
        "breaking": pages.gettext(changes.BREAKING[chosen.breaking]),
        "most": changes.most(chosen.most),
        "format": pages.gettext(changes.FORMATS[chosen.format]),
        "next": words.instant(next_by, chosen.zone) if next_by else None,
    }
