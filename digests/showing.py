"""What a mail shows of a choice: its stories, headlines and the rest, the editors' note, and its subject."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from articles import pictures, shelf, topics
from core.services import Services
from digests import notes, notices, rendering, selection
from digests.desk import Laid
from subscribers.models import Digest


@dataclass(frozen=True, slots=True)
class Shown:
    """A choice as a mail shows it. `more` is what stands at the end, where there would have been more; else None."""

    stories: tuple[rendering.StoryView, ...]
    headlines: tuple[rendering.HeadlineView, ...]
    more: rendering.MoreView | None
    note: rendering.NoteView | None
    subject: str
    notice: rendering.NoticeView | None = None


class Showing:
    """What one reading of a wave shows: each story is looked up once and kept while it lasts."""

    def __init__(self, digest: Digest, laid: Laid, services: Services, *, day: date | None = None) -> None:
        """Show for a digest. `day` is the date whose notice stands in it; None: what never has one."""
        self._notice = notices.of(digest, day) if day else None
        self._digest, self._laid, self._services = digest, laid, services
        self._views: dict[int, rendering.StoryView] = {}
        self._keys: dict[int, str] = {}
        language = digest.language
        self._note = (
            rendering.NoteView(language, notes.as_html(laid.note), notes.as_text(laid.note)) if laid.note else None
        )

    def of(
        self, choice: selection.Choice, topic_ids: frozenset[int] | None, *, with_rest: bool, alarm: selection.Alarm
    ) -> Shown:
        """Return what is shown to readers with this choice and these topics; `with_rest` counts what there is more."""
        alerted = dict(alarm.alerted)
        self._look_up([*(one.article_id for one in choice.full), *choice.headlines])
        stories = tuple(
            replace(
                self._views[one.article_id],
                updated=one.updated,
                front=one.front,
                alerted=alerted.get(one.article_id, ""),
                is_lead=place == 0,
            )
            for place, one in enumerate(choice.full)
        )
        return Shown(
            stories=stories,
            headlines=tuple(rendering.headline_view(self._views[one]) for one in choice.headlines),
            more=self._more(choice.more, topic_ids) if with_rest and choice.more else None,
            note=self._note,
            subject=self._laid.subject or rendering.subject(self._digest, stories[0].headline, self._services),
            notice=self._notice,
        )

    def _look_up(self, article_ids: Sequence[int]) -> None:
        missing = [one for one in article_ids if one not in self._views]
        if not missing:
            return
        shown = pictures.for_mails(missing, self._services.links)
        for one in shelf.by_ids(missing):
            self._views[one.id] = rendering.story_view(
                one, self._services, language=self._digest.language, picture=shown.get(one.id)
            )

    def _more(self, count: int, topic_ids: frozenset[int] | None) -> rendering.MoreView:
        """Return where the rest is: on the topic's page, where it is of one topic; else on the front page."""
        language = self._digest.language
        url = self._services.links.to("front", language=language)
        if topic_ids is not None and len(topic_ids) == 1:
            self._keys = self._keys or {topic.id: topic.key for topic in topics.all_topics()}
            url = self._services.links.to("topic", language=language, topic=self._keys[min(topic_ids)])
        return rendering.MoreView(count, is_of_topics=topic_ids is not None, url=url)
