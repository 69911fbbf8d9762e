"""The personal values of one recipient, by the link set of the delivery: each mail has four tokens at the most."""

from collections.abc import Mapping
from typing import Protocol

from core import clock
from core.services import Services
from core.tokens import Purpose
from delivery.models import LinkSet
from delivery.moves import Intent


class Offers(Protocol):
    """What a recipe says of the links it has places for, and of its stream."""

    @property
    def stream(self) -> str:
        """Return the stream, which names the digest to leave."""

    @property
    def offers_to_leave_all(self) -> bool:
        """Return whether it has a place for the link that leaves all digests."""

    @property
    def offers_to_share(self) -> bool:
        """Return whether it has a place for the token that sends stories to friends."""


def values_for(intent: Intent, recipe: Offers, services: Services) -> Mapping[str, str]:
    """Return the personal values of one recipient, by the link set of the delivery."""
    day = clock.day_number(intent.dated_at)
    if intent.reader_key is None or intent.link_set == LinkSet.NONE:
        return {}
    if intent.link_set != LinkSet.READER:
        return _of_one_request(intent.reader_key, intent.link_set, intent.link_version, day, services)
    _scheme, _colon, digest = recipe.stream.partition(":")
    key, version = intent.reader_key, intent.link_version
    links = services.links.reader(key, digest=digest, version=version, day=day)
    found = {"preferences": links.preferences, "why": links.why, "unsubscribe": links.unsubscribe}
    if recipe.offers_to_leave_all:
        found["unsubscribe_all"] = services.links.unsubscribe(key, digest="", version=version, day=day)
    if recipe.offers_to_share:
        # Only the token: the block of each story has the rest of its link, so one is minted for all of them.
        found["share"] = services.links.tokens.mint(Purpose.SHARE, key, version=version, day=day)
    return found


def _of_one_request(key: bytes, link_set: int, version: int, day: int, services: Services) -> Mapping[str, str]:
    links = services.links
    if link_set == LinkSet.REQUEST:
        return {"confirm": links.confirm(key, day=day)}
    if link_set == LinkSet.ADDRESS:
        return {"confirm_address": links.confirm_address(key, day=day)}
    if link_set == LinkSet.FRIEND:
        return {"share_opt_out": links.share_opt_out(key, day=day)}
    if link_set == LinkSet.SHARE_ASKED:
        return {"share_confirm": links.share_confirm(key, day=day), "share_opt_out": links.share_opt_out(key, day=day)}
    if link_set == LinkSet.SHARE_TOLD:
        return {"share_not_me": links.share_not_me(key, day=day)}
    return {
        "preferences": links.preferences(key, version=version, day=day),
        "undo": links.undo(key, version=version, day=day),
        "not_me": links.not_me(key, version=version, day=day),
    }
