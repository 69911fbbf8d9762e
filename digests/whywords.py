"""What became of a reader's slots, in words: of the page for readers, and of the command for those who help them."""

from collections.abc import Mapping

from babel.lists import format_list

from articles import topics
from core import language as languages
from core.errors import _
from digests.why import Reason, Slot

NAMED = 4
"""So many topics are named; of more it is said that there was nothing new on them."""

_SENTENCES: Mapping[Reason, str] = {
    Reason.HANDED_OVER: _("Handed over to your mail provider."),
    Reason.RETURNED: _("Handed over to your mail provider; later it came back to us."),
    Reason.COMPLAINED: _("Handed over to your mail provider; later it was reported as spam from your mailbox."),
    Reason.REFUSED: _("Your mail provider did not take it."),
    Reason.EXPIRED: _("It could not be handed over while it was still news, so it was not sent."),
    Reason.IN_DOUBT: _("We cannot tell whether it arrived: the line broke while it was handed over."),
    Reason.SUPPRESSED: _("Not sent: at that time we were not to mail this address."),
    Reason.CANCELLED: _("Not sent: the editors cancelled this edition."),
    Reason.RECALLED: _("Not sent: the editors took back all that it would have brought."),
    Reason.HELD: _("It is ready, and held back for the moment."),
    Reason.PUT_OFF: _("Your mail provider asked us to come again later. We try again."),
    Reason.WAITING: _("It is on its way."),
    Reason.COMING: _("It is just being made."),
    Reason.NOTHING: _("No mail: there was nothing new for you."),
    Reason.NIGHT: _("No mail: it was night where you are. The story leads your next regular mail."),
    Reason.ENOUGH: _("No mail: you had your number of breaking mails that day. It waits for your next regular mail."),
    Reason.TOO_FEW: _("No mail: there were not enough new stories yet. They come together with later ones."),
    Reason.PAUSED: _("No mail: you had paused."),
    Reason.MISSED: _("No mail: we had a breakdown, and the news would have come too late."),
    Reason.SKIPPED: _("No mail: the editors did not release this edition."),
    Reason.NOT_OUT: _("No mail: this edition did not come out."),
    Reason.LEFT: _("You stopped this digest."),
    Reason.NOT_YET: _("You subscribed. Before that, no mail could come."),
}
_TO: Mapping[Reason, str] = {
    Reason.HANDED_OVER: _("Handed over to %(provider)s."),
    Reason.RETURNED: _("Handed over to %(provider)s; later it came back to us."),
    Reason.COMPLAINED: _("Handed over to %(provider)s; later it was reported as spam from your mailbox."),
    Reason.REFUSED: _("%(provider)s did not take it."),
    Reason.IN_DOUBT: _("We cannot tell whether it arrived: the line broke while it was handed over to %(provider)s."),
    Reason.PUT_OFF: _("%(provider)s asked us to come again later. We try again."),
}
"""The same, where it is known to whom the mail went."""
_FULL = _("Handed over to %(provider)s; later it came back to us, because the mailbox was full.")
_FULL_SOMEWHERE = _("Handed over to your mail provider; later it came back to us, because the mailbox was full.")
_NOTHING_ON = _("No mail: there was nothing new on %(topics)s.")
_PAUSED_UNTIL = _("No mail: you had paused until %(date)s.")
_FIRST = _("Your first edition. %(what)s")
_CORRECTION = _("Correction to “%(headline)s”, which you had from us. %(what)s")
_BREAKING = _("Breaking news: “%(headline)s”. %(what)s")


def when(slot: Slot, language: str) -> str:
    """Return when it was, in the reader's zone: `Monday 2 March, 07:02`."""
    return languages.weekday_instant_text(slot.at, language, slot.zone)


def sentence(slot: Slot, language: str) -> str:
    """Return what became of a slot, in a language of ours."""
    message, values = _message(slot, language)
    gettext = languages.translations(language).gettext
    text = gettext(message) % values if values else gettext(message)
    if slot.breaking:
        return gettext(_BREAKING) % {"headline": slot.breaking, "what": text}
    if slot.correction:
        return gettext(_CORRECTION) % {"headline": slot.correction, "what": text}
    return gettext(_FIRST) % {"what": text} if slot.first else text


def _message(slot: Slot, language: str) -> tuple[str, dict[str, str]]:
    if slot.reason == Reason.RETURNED and slot.full:
        return (_FULL, {"provider": slot.provider}) if slot.provider else (_FULL_SOMEWHERE, {})
    if slot.provider and slot.reason in _TO:
        return _TO[slot.reason], {"provider": slot.provider}
    if slot.reason == Reason.PAUSED and slot.until is not None:
        return _PAUSED_UNTIL, {"date": languages.date_text(slot.until, language)}
    if slot.reason == Reason.NOTHING and slot.topics and len(slot.topics) <= NAMED:
        return _NOTHING_ON, {"topics": _named(slot.topics, language)}
    return _SENTENCES[slot.reason], {}


def _named(keys: tuple[str, ...], language: str) -> str:
    names = [topics.name(topic, language) for topic in topics.by_keys(keys)]
    # No story stands on none of them: "or", as nothing was new on any.
    return format_list(names, style="or", locale=languages.locale("en-GB" if language == "en" else language))
