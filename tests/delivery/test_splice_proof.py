"""A sample of the proof that nobody gets what is another's; `make proof-splice` is the whole of it."""

import ast
import html
import random
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from core import links, tokens
from delivery import content, message, personal, verp
from delivery.recipes import Recipes
from tests.proofs import editions, second_splicer, splice


def test_thousands_of_mails_are_what_a_second_splicer_says_they_must_be():
    seed = random.SystemRandom().randrange(10**6)
    counts = splice.share(seed, 0, count=2_000, contents=80)
    assert counts.mails == 2_000 and counts.again
    assert counts.faulty == 0, f"seed {seed}: {counts.faults}"


@pytest.mark.parametrize("module", [second_splicer, editions])
def test_the_second_splicer_knows_nothing_of_the_product(module):
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    strangers = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert strangers <= {"tests.proofs.editions"}


def keeps_the_values_of_the_reader_before(patch):
    values_for = personal.values_for
    kept: dict[object, object] = {}
    patch.setattr(
        personal,
        "values_for",
        lambda intent, recipe, services: kept.setdefault(
            (intent.link_set, recipe.stream, services.links.base_url, intent.id // 15),
            values_for(intent, recipe, services),
        ),
    )


def keeps_tokens_by_day(patch):
    mint = tokens.Tokens.mint
    kept: dict[object, str] = {}

    def kept_mint(self, purpose, key, *, version, day, scope=""):
        made = mint(self, purpose, key, version=version, day=day, scope=scope)
        return kept.setdefault((self, purpose, version, day % 7, scope), made)

    patch.setattr(tokens.Tokens, "mint", kept_mint)


def keeps_encoded_values_by_their_beginning(patch):
    forms = content.forms
    kept: dict[str, tuple[bytes, bytes]] = {}
    patch.setattr(content, "forms", lambda value: kept.setdefault(value[:-40], forms(value)))


def mixes_two_recipes_up(patch):
    of = Recipes.of
    patch.setattr(Recipes, "of", lambda self, content_id: of(self, content_id - (content_id % 17 == 0)))


def opens_every_digest_with_one_token(patch):
    unsubscribe = links.Links.unsubscribe
    patch.setattr(
        links.Links,
        "unsubscribe",
        lambda self, key, *, digest, version, day: (
            unsubscribe(self, key, digest=digest, version=version, day=day).rpartition("/")[0]
            + "/"
            + unsubscribe(self, key, digest="", version=version, day=day).rpartition("/")[2]
        ),
    )


def mistakes_one_door_for_another(patch):
    preferences = links.Links.preferences
    patch.setattr(
        links.Links,
        "unsubscribe",
        lambda self, key, *, digest, version, day: preferences(self, key, version=version, day=day),
    )


def keeps_a_link_version(patch):
    values_for = personal.values_for
    patch.setattr(
        personal,
        "values_for",
        lambda intent, recipe, services: values_for(replace(intent, link_version=1), recipe, services),
    )


def drops_values_into_html_as_they_are(patch):
    patch.setattr(content, "forms", lambda value: (content.encode(value),) * 2)


def escapes_values_in_text_too(patch):
    patch.setattr(content, "forms", lambda value: (content.encode(html.escape(value)),) * 2)


def lets_a_line_begin_with_a_dot(patch):
    patch.setattr(content, "_HEADS", {b" ": b"=20"})


def forgets_that_values_may_be_strange(patch):
    patch.setattr(content, "forms", lambda value: (value.encode() + b"=\r\n",) * 2)


def keeps_the_date_of_the_mail_before(patch):
    date_header = lru_cache(lambda month: message.header("Date", message.date_text(month)))
    patch.setattr(message, "_date_header", lambda second: date_header(second.replace(day=1)))


def keeps_the_address_of_the_mail_before(patch):
    recipient_header = message.recipient_header
    kept: dict[str, bytes] = {}
    patch.setattr(message, "recipient_header", lambda to: kept.setdefault(to[:10], recipient_header(to)))


def makes_one_message_id_for_two(patch):
    message_id = message.message_id
    patch.setattr(message, "message_id", lambda number, services: message_id(number // 2, services))


def makes_one_envelope_sender_for_two(patch):
    made = verp.envelope_sender
    patch.setattr(
        verp, "envelope_sender", lambda number, *, tokens, domain: made(number // 2, tokens=tokens, domain=domain)
    )


def makes_one_address_to_leave_by_for_two(patch):
    made = verp.leave_address
    patch.setattr(
        verp, "leave_address", lambda number, *, tokens, domain: made(number // 2, tokens=tokens, domain=domain)
    )


BROKEN = [
    keeps_the_values_of_the_reader_before,
    keeps_tokens_by_day,
    keeps_encoded_values_by_their_beginning,
    mixes_two_recipes_up,
    opens_every_digest_with_one_token,
    mistakes_one_door_for_another,
    keeps_a_link_version,
    drops_values_into_html_as_they_are,
    escapes_values_in_text_too,
    lets_a_line_begin_with_a_dot,
    forgets_that_values_may_be_strange,
    keeps_the_date_of_the_mail_before,
    keeps_the_address_of_the_mail_before,
    makes_one_message_id_for_two,
    makes_one_envelope_sender_for_two,
    makes_one_address_to_leave_by_for_two,
]


@pytest.mark.parametrize("breaks", BROKEN, ids=[one.__name__ for one in BROKEN])
def test_a_splicer_that_is_broken_is_caught(breaks, monkeypatch):
    breaks(monkeypatch)
    assert splice.share(1, 0, count=200, contents=30).faulty
