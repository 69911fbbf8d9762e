"""What readers have behind them after a quarter: sixty days of stories, pauses, and a breaking mail in the morning."""

from datetime import timedelta

import psycopg

from bench.installation import Installation
from core import clock
from digests import histories
from digests.histories import Entry

VARIANTS = 8
"""Pasts of each taste: most of its readers never were away, the others at one of several times."""
USUAL = 13
"""Of twenty readers so many never were away."""
STORIES_A_DAY = 8
BACK_OF = 1_000
"""One of so many readers comes back from a pause with this very edition, and wants the best of it."""
_FIRST_ARTICLE = 10_000_000
_PRESENT = "ALTER SEQUENCE articles_id_seq RESTART WITH 20000000"
"""What comes in from here on has later numbers than what was had before, as it is everywhere."""
_KNOWN = "CREATE TEMPORARY TABLE pasts (taste_id bigint, variant int, fingerprint bytea, entries bytea)"
_WRITE = """
WITH written AS (
    INSERT INTO histories (fingerprint, entries, last_used_on)
    SELECT DISTINCT ON (fingerprint) fingerprint, entries, current_date FROM pasts
    ON CONFLICT (fingerprint) DO UPDATE SET last_used_on = current_date RETURNING id, fingerprint
)
SELECT taste_id, variant, written.id AS history_id INTO TEMPORARY TABLE had_by
FROM pasts JOIN written USING (fingerprint)
"""
_GIVE = f"""
UPDATE had SET history_id = had_by.history_id FROM subscriptions s, had_by
WHERE s.subscriber_id = had.subscriber_id AND had_by.taste_id = s.taste_id
  AND had_by.variant = greatest(0, (s.id / 5000) % 20 - {USUAL} + 1)
"""  # noqa: S608 - constants
_BACK = """
UPDATE subscribers SET paused_at = %(paused)s, paused_until = (SELECT max(slot) FROM rhythms), catch_up = true
WHERE id %% %(of)s = 0
"""
_ALERT = """
WITH shown AS (SELECT id, mailing_id FROM editions ORDER BY id DESC LIMIT 1),
told AS (
    INSERT INTO mailings (key, lane, stream, list_id, sender_name, sender, reply_to, feedback, doubt_policy, state,
                          revision, created_at)
    SELECT key || ':alert', 10, stream, list_id, sender_name, sender, reply_to, feedback, doubt_policy, 'closed',
           revision, created_at
    FROM mailings WHERE id = (SELECT mailing_id FROM shown) RETURNING id
),
edition AS (
    INSERT INTO editions (digest_id, kind, slot, number, article_id, flagged_at, mailing_id, opened_at)
    SELECT digest_id, 'breaking', slot, 1, (SELECT max(id) FROM articles), now() - interval '1 hour',
           (SELECT id FROM told), now()
    FROM editions WHERE id = (SELECT id FROM shown)
)
INSERT INTO deliveries (mailing_id, once_key, content_id, reader_key, link_set, link_version, addr_hash, provider, lane,
                        state, epoch, attempts, doubts, next_attempt_at, not_after, done_at)
SELECT (SELECT id FROM told), once_key, content_id, reader_key, link_set, link_version, addr_hash, provider, 10, 'sent',
       1, 1, 0, next_attempt_at, not_after, now()
FROM deliveries WHERE mailing_id = (SELECT mailing_id FROM shown)
"""


def leave_room(house: Installation) -> None:
    """Have stories that come in from now on be later ones than those of the pasts."""
    with psycopg.connect(house.database_url) as connection:
        connection.execute(_PRESENT)


def give(house: Installation) -> dict[str, object]:
    """Give everybody a past, and have everybody be alerted to the last story; return what was given."""
    now = clock.utc_now()
    with psycopg.connect(house.database_url) as connection:
        tastes = [row[0] for row in connection.execute("SELECT DISTINCT taste_id FROM subscriptions ORDER BY 1")]
        connection.execute(_KNOWN)
        with connection.cursor() as cursor, cursor.copy("COPY pasts FROM STDIN WITH (FORMAT binary)") as rows:
            rows.set_types(["int8", "int4", "bytea", "bytea"])
            for place, taste_id in enumerate(tastes):
                for variant in range(VARIANTS):
                    packed = _past(place, variant)
                    rows.write_row((taste_id, variant, histories.fingerprint(packed), packed))
        connection.execute(_WRITE)
        connection.execute(_GIVE)
        times = {"paused": now - timedelta(days=10), "of": BACK_OF}
        connection.execute(_BACK, times)
        connection.execute(_ALERT)
    house.settle()
    return {"pasts": len(tastes) * VARIANTS, "stories": histories.KEPT_DAYS * STORIES_A_DAY}


def _past(place: int, variant: int) -> bytes:
    """Return sixty days of stories of one taste; who was away misses a week of them."""
    today, first = clock.utc_now().date(), _FIRST_ARTICLE + 5 * place
    away = range(8 * variant - 8, 8 * variant - 1) if variant else range(0)
    days = (day for day in range(1, histories.KEPT_DAYS) if day not in away)
    return histories.pack(
        [
            Entry(first + STORIES_A_DAY * day + number, 1, today - timedelta(days=day), in_full=number < 6)
            for day in days
            for number in range(STORIES_A_DAY)
        ]
    )
