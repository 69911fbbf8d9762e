"""When beat looks. Each entry only looks for work in the database, so two beats do no harm."""

from typing import Any, Final

EXPIRES_S: Final = 55
"""A look that nobody took within a minute is dropped: the next one is on its way."""


def _every(seconds: float, task: str) -> dict[str, Any]:
    return {"task": task, "schedule": seconds, "options": {"expires": min(EXPIRES_S, seconds)}}


BEAT: Final = {
    "answer requests": _every(15.0, "tasks.signup.answer_waiting"),
    "tell what links changed": _every(30.0, "tasks.notices.tell"),
    "answer changes of address": _every(15.0, "tasks.notices.answer_addresses"),
    "forget old changes": _every(3600.0, "tasks.notices.forget_old"),
    "mail breaking news": _every(1.0, "tasks.breaking.look"),
    "count clicks": _every(60.0, "tasks.clicks.count"),
    "remind of flashes": _every(60.0, "tasks.breaking.remind"),
    "open what is due": _every(5.0, "tasks.digests.open_due"),
    "tell corrections": _every(15.0, "tasks.corrections.tell"),
    "remake mails": _every(15.0, "tasks.digests.remake"),
    "give back": _every(15.0, "tasks.giveback.look"),
    "fetch feeds": _every(60.0, "tasks.feeds.fetch_due"),
    "ask hubs": _every(60.0, "tasks.websub.keep"),
    "publish what was held": _every(15.0, "tasks.feeds.release_due"),
    "fetch full texts": _every(15.0, "tasks.fulltext.fetch_due"),
    "work out see also": _every(15.0, "tasks.related.work_out"),
    "fetch pictures": _every(15.0, "tasks.pictures.fetch_due"),
    "ring the sender": _every(15.0, "tasks.delivery.ring"),
    "tell operators": _every(60.0, "tasks.alerts.look"),
    "look at our records": _every(600.0, "tasks.checkup.look"),
    "seal consent": _every(60.0, "tasks.consent.seal"),
    "hear beat": _every(15.0, "tasks.heartbeat.note"),
    "work off what came back": _every(15.0, "tasks.webhooks.work_off"),
    "read mailboxes": _every(60.0, "tasks.mailbox.read"),
    "judge what was refused": _every(15.0, "tasks.returns.judge_failed"),
    "record what came of mails": _every(15.0, "tasks.returns.record_outcomes"),
    "forget what came back long ago": _every(3600.0, "tasks.returns.forget_old"),
    "forget what counts no more": _every(3600.0, "tasks.signup.forget_budgets"),
    "send to friends": _every(15.0, "tasks.sharing.answer"),
    "record what friends sent back": _every(15.0, "tasks.sharing.record_outcomes"),
    "forget what was shared": _every(300.0, "tasks.sharing.forget"),
    "forget what nobody had": _every(3600.0, "tasks.digests.forget_histories"),
    "forget unconfirmed requests": _every(3600.0, "tasks.signup.forget_unconfirmed"),
}
