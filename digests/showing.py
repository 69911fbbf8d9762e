"""What a mail shows of a choice: its stories, headlines and the rest, the editors' note, and its subject."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from articles import pictures, shelf, topics
from articles.models import Article
from core import byus
from core.database import db
from core.services import Services
from digests import clicks, notes, rendering, selection
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
    """What a wave shows of its choices: each story is looked up once, and kept in the `views` that are given."""

    def __init__(
        self,
        digest: Digest,
        laid: Laid,
        services: Services,
        *,
        notice: rendering.NoticeView | None = None,
        views: dict[int, rendering.StoryView] | None = None,
        counting: clicks.Counting | None = None,
    ) -> None:
        """Show for a digest. `notice` stands in it; what is no edition never has one.

        With `counting` its links to stories are counted.
        """
        self._counting = counting
        self._notice = notice
        self._digest, self._laid, self._services = digest, laid, services
        self._views: dict[int, rendering.StoryView] = {} if views is None else views
        self._keys: dict[int, str] = {}
        language = digest.language
        self._note = (
            rendering.NoteView(language, notes.as_html(laid.note), notes.as_text(laid.note)) if laid.note else None
        )

    def of(self, choice: selection.Choice, rest: rendering.MoreView | None, alarm: selection.Alarm) -> Shown:
        """Return what is shown to readers with this choice; `rest` is what stands at the end."""
        alerted = dict(alarm.alerted)
        ids = [*(one.article_id for one in choice.full), *choice.headlines]
        self._views |= self.looked_up([one for one in ids if one not in self._views])
        stories = tuple(
            _marked(self._views[one.article_id], one, alerted.get(one.article_id, ""), is_lead=place == 0)
            for place, one in enumerate(choice.full)
        )
        return Shown(
            stories=stories,
            headlines=tuple(rendering.headline_view(self._views[one]) for one in choice.headlines),
            more=rest,
            note=self._note,
            subject=self._laid.subject or rendering.subject(self._digest, stories[0].headline, self._services),
            notice=self._notice,
        )

    def looked_up(self, article_ids: Collection[int]) -> dict[int, rendering.StoryView]:
        """Return these stories as they are now."""
        if not article_ids:
            return {}
        shown, by_us = pictures.for_mails(list(article_ids), self._services.links), byus.are_sent(db.session)
        return {one.id: self._view(one, shown.get(one.id), by_us=by_us) for one in shelf.by_ids(list(article_ids))}

    def _view(self, article: Article, picture: pictures.MailPicture | None, *, by_us: bool) -> rendering.StoryView:
        language = self._digest.language
        view = rendering.story_view(article, self._services, language=language, picture=picture, by_us=by_us)
        return view if self._counting is None else self._counting.counted(view, article, self._services.links)

    def rest(self, count: int, topic_ids: frozenset[int] | None) -> rendering.MoreView:
        """Return where the rest is: on the topic's page, where it is of one topic; else on the front page."""
        language = self._digest.language
        url = self._services.links.to("front", language=language)
        if topic_ids is not None and len(topic_ids) == 1:
            self._keys = self._keys or {topic.id: topic.key for topic in topics.all_topics()}
            url = self._services.links.to("topic", language=language, topic=self._keys[min(topic_ids)])
        return rendering.MoreView(count, is_of_topics=topic_ids is not None, url=url)


def _marked(view: rendering.StoryView, one: selection.Picked, alerted: str, *, is_lead: bool) -> rendering.StoryView:
    """Return a story with what is said beside it; most have nothing, and are one view for all who get them."""
    if not (one.updated or one.front or alerted or is_lead):
        return view
    return replace(view, updated=one.updated, front=one.front, alerted=alerted, is_lead=is_lead)
