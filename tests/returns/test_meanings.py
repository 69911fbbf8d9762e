"""What each word of each service means: a line for every row of their tables, and for what is not in them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from delivery import classes
from delivery.classes import Class
from delivery.signals import Kind
from returns import mailgun, postmark, sendgrid, ses, webhooks
from returns.documents import Unreadable
from returns.events import Meaning, Reading
from tests.returns import posts
from tests.returns.posts import TOKEN, mailgun_event, mailgun_failed, notification, postmark_bounce, sendgrid_event

NOTHING = "nothing"
GONE = "550 5.1.1 <reader@example.org>: no such user"
SPAM = "550 5.7.1 Message looks like spam"
VAGUE = "550 Requested action not taken"


def said(service: str, event: object) -> Reading:
    """Return how a service's event is read, put together as it is kept."""
    if service == "ses":
        post = posts.signed(notification(event))  # type: ignore[arg-type]
    elif service == "sendgrid":
        post = posts.sendgrid([event])
    elif service == "mailgun":
        post = posts.mailgun(event)
    else:
        post = posts.postmark(event)
    (one,) = webhooks.SERVICES[service].events(post.body)
    return webhooks.SERVICES[service].read(one.raw)


def short(reading: Reading) -> tuple[str, str]:
    """Return kind and enhanced code of what was read."""
    assert reading.signal is None or reading.signal.token == TOKEN
    return (reading.kind, reading.signal.status if reading.signal else "")


# Kind and enhanced code where the service says nothing more, where it repeats words with a code, and words without one.
SES_BOUNCES = {
    ("Undetermined", "Undetermined"): ("", "5.1.1", "5.7.1", ""),
    ("Permanent", "General"): ("5.1.1", "5.1.1", "5.7.1", ""),
    ("Permanent", "NoEmail"): ("5.1.1", "5.1.1", "5.7.1", "5.1.1"),
    ("Permanent", "Suppressed"): None,
    ("Permanent", "OnAccountSuppressionList"): None,
    ("Transient", "General"): ("4.3.0", "5.1.1", "5.7.1", ""),
    ("Transient", "MailboxFull"): ("4.2.2", "5.1.1", "5.7.1", "4.2.2"),
    ("Transient", "MessageTooLarge"): ("5.3.4", "5.3.4", "5.7.1", "5.3.4"),
    ("Transient", "ContentRejected"): ("5.6.0", "5.6.0", "5.7.1", "5.6.0"),
    ("Transient", "AttachmentRejected"): ("5.6.0", "5.6.0", "5.7.1", "5.6.0"),
    ("Transient", "CustomTimeoutExceeded"): ("4.4.7", "5.1.1", "5.7.1", "4.4.7"),
    ("Permanent", "SomethingNew"): ("5.1.1", "5.1.1", "5.7.1", ""),
    ("Transient", "SomethingNew"): ("4.3.0", "5.1.1", "5.7.1", ""),
    ("SomethingNew", "General"): None,
}


@pytest.mark.parametrize(("types", "statuses"), SES_BOUNCES.items(), ids=lambda value: str(value)[:40])
def test_a_bounce_of_ses(types, statuses):
    found = [short(said("ses", posts.ses_bounce(*types, words=words))) for words in ("", GONE, SPAM, VAGUE)]
    assert found == ([("bounce", one) for one in statuses] if statuses else [(NOTHING, "")] * 4)


def test_every_bounce_of_ses_has_its_line():
    there = {key for key, meaning in ses.BOUNCES.items() if meaning.kind is not Kind.LEAVE}
    assert there == {key for key in SES_BOUNCES if "SomethingNew" not in key}


def test_a_reader_whom_ses_took_off_has_left():
    assert short(said("ses", posts.ses_bounce("Permanent", "UnsubscribedRecipient"))) == ("leave", "")


@pytest.mark.parametrize(
    ("feedback", "kind"),
    [
        *(("abuse", "complaint"), ("fraud", "complaint"), ("virus", "complaint"), ("other", "complaint")),
        *((None, "complaint"), ("something-new", "complaint"), ("not-spam", "not_spam"), ("auth-failure", NOTHING)),
    ],
)
def test_a_complaint_of_ses(feedback, kind):
    assert said("ses", posts.ses_complaint(feedback)).kind == kind


def test_a_complaint_that_ses_only_remembers_is_none():
    reading = said("ses", posts.ses_complaint("abuse", complaintSubType="OnAccountSuppressionList"))
    assert (reading.signal, reading.why) == (None, "The service no longer mails this address: no fresh bounce.")


SES_OTHERS = {
    "Delivery": ("delivered", ""),
    "DeliveryDelay": ("delayed", ""),
    "Reject": ("bounce", "5.6.0"),
    "Rendering Failure": (NOTHING, ""),
    "Send": (NOTHING, ""),
    "Open": (NOTHING, ""),
    "Click": (NOTHING, ""),
    "Subscription": (NOTHING, ""),
    "SomethingNew": (NOTHING, ""),
}


@pytest.mark.parametrize(("name", "read"), SES_OTHERS.items())
def test_another_event_of_ses(name, read):
    assert short(said("ses", posts.ses_other(name))) == read


def test_every_event_of_ses_has_its_line():
    assert set(ses.OTHERS) == set(SES_OTHERS) - {"SomethingNew"}
    assert set(ses.COMPLAINTS) == {"abuse", "fraud", "virus", "other", "", "not-spam", "auth-failure"}


@pytest.mark.parametrize(("value", "kind"), [(True, "leave"), (False, NOTHING), ("true", NOTHING), (None, NOTHING)])
def test_a_reader_who_leaves_all_at_ses_has_left(value, kind):
    assert said("ses", posts.ses_other("Subscription", newTopicPreferences={"unsubscribeAll": value})).kind == kind


def test_both_forms_of_ses_say_the_same():
    told = posts.ses_bounce("Transient", "MailboxFull", words="552 5.2.2 full")
    published = {"eventType": told["notificationType"], **{name: told[name] for name in ("bounce", "mail")}}
    assert said("ses", told) == said("ses", published)


def test_a_status_beside_the_words_counts_as_one_in_them():
    assert short(said("ses", posts.ses_bounce("Transient", "General", status="5.4.4", words="dns; no host"))) == (
        "bounce",
        "5.4.4",
    )
    vague = posts.ses_bounce("Transient", "General", status="5.0.0", words="smtp; 550-5.7.26 unauthenticated")
    assert short(said("ses", vague)) == ("bounce", "5.7.26")


def test_of_several_recipients_the_first_speaks():
    told = posts.ses_bounce(words=GONE)
    told["bounce"]["bouncedRecipients"] += [{"emailAddress": "b@example.org", "status": "5.7.1"}] * 10_000
    reading = said("ses", told)
    assert reading.signal is not None
    assert (reading.signal.status, reading.signal.code) == ("5.1.1", 550)


def test_what_ses_writes_when_a_topic_is_set_up_is_nothing():
    assert said("ses", "Successfully validated SNS topic for Amazon SES event publishing.").kind == NOTHING


@pytest.mark.parametrize("message", ["", "no JSON", "[]", "{}", '{"mail": {}}', '{"eventType": ["Bounce"]}'])
def test_a_message_that_is_not_of_ses_cannot_be_read(message):
    with pytest.raises(Unreadable):
        said("ses", message)


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_a_confirmation_asks_a_person(kind):
    reading = ses.read(posts.signed(posts.confirmation(kind)).body)
    assert reading.asks
    assert reading.signal is None
    assert "flask webhooks confirm" in (reading.why or "")


def test_the_token_is_that_of_the_envelope_sender_or_else_of_the_return_path():
    told = posts.ses_bounce(sender="news@monsoon.example.org")
    told["mail"]["commonHeaders"] = {"returnPath": posts.SENDER.upper()}
    reading = said("ses", told)
    assert reading.signal is not None
    assert reading.signal.token == TOKEN.upper()


# By type, by classification (of type `bounce`), by the reason of what was dropped, and by event.
SENDGRID_TYPES = {
    "bounce": ("5.1.1", "5.1.1", "5.7.1", ""),
    "blocked": ("5.7.1", "5.7.1", "5.7.1", "5.7.1"),
    "expired": ("4.4.7", "5.1.1", "5.7.1", "4.4.7"),
    "something new": ("5.1.1", "5.1.1", "5.7.1", ""),
}
SENDGRID_CLASSIFICATIONS = {
    "Invalid Address": ("5.1.1", "5.1.1", "5.7.1", "5.1.1"),
    "Reputation": ("5.7.1", "5.7.1", "5.7.1", "5.7.1"),
    "Content": ("5.7.1", "5.7.1", "5.7.1", "5.7.1"),
    "Frequency or Volume Too High": ("4.7.28", "4.7.28", "5.7.1", "4.7.28"),
    "Frequency/Volume": ("4.7.28", "4.7.28", "5.7.1", "4.7.28"),
    "Mailbox Unavailable": ("4.3.0", "5.1.1", "5.7.1", ""),
    "Technical": ("4.3.0", "5.1.1", "5.7.1", ""),
    "Technical Failure": ("4.3.0", "5.1.1", "5.7.1", ""),
    "Unclassified": ("5.1.1", "5.1.1", "5.7.1", ""),
}
SENDGRID_DROPPED = {
    "Bounced Address": (NOTHING, ""),
    "Spam Reporting Address": (NOTHING, ""),
    "Unsubscribed Address": (NOTHING, ""),
    "Invalid": ("bounce", "5.1.3"),
    "Invalid SMTPAPI header": ("bounce", "5.6.0"),
    "Spam Content (if Spam Checker app enabled)": ("bounce", "5.7.1"),
    "Recipient List over Package Quota": ("bounce", "5.7.1"),
    "Invalid Something New": (NOTHING, ""),
    "Something New": (NOTHING, ""),
}
SENDGRID_EVENTS = {
    "delivered": "delivered",
    "deferred": "delayed",
    "spamreport": "complaint",
    "unsubscribe": "leave",
    "group_unsubscribe": "leave",
    **dict.fromkeys(["group_resubscribe", "processed", "open", "click", "account_status_change", "new"], NOTHING),
}


@pytest.mark.parametrize(("kind", "statuses"), SENDGRID_TYPES.items())
def test_a_bounce_of_sendgrid_by_its_type(kind, statuses):
    found = [short(said("sendgrid", sendgrid_event(type=kind, reason=words))) for words in ("", GONE, SPAM, VAGUE)]
    assert found == [("bounce", one) for one in statuses]


@pytest.mark.parametrize(("name", "statuses"), SENDGRID_CLASSIFICATIONS.items())
def test_a_bounce_of_sendgrid_by_its_classification(name, statuses):
    events = [
        sendgrid_event(type="bounce", bounce_classification=name, reason=words) for words in ("", GONE, SPAM, VAGUE)
    ]
    assert [short(said("sendgrid", event)) for event in events] == [("bounce", one) for one in statuses]


@pytest.mark.parametrize(("reason", "read"), SENDGRID_DROPPED.items())
def test_what_sendgrid_dropped(reason, read):
    assert short(said("sendgrid", sendgrid_event("dropped", reason=reason))) == read


@pytest.mark.parametrize(("name", "kind"), SENDGRID_EVENTS.items())
def test_another_event_of_sendgrid(name, kind):
    assert said("sendgrid", sendgrid_event(name)).kind == kind


def test_every_word_of_sendgrid_has_its_line():
    assert set(sendgrid.BOUNCES) == set(SENDGRID_TYPES) - {"something new"}
    assert set(sendgrid.CLASSIFICATIONS) == set(SENDGRID_CLASSIFICATIONS) - {"Unclassified"}
    assert set(sendgrid.EVENTS) == set(SENDGRID_EVENTS) - {"new"}
    assert set(sendgrid.DROPPED) == {reason.lower().partition(" (")[0] for reason in SENDGRID_DROPPED} - {
        "something new",
        "invalid something new",
    }


MAILGUN_FAILED = {
    ("permanent", "bounce"): ("5.1.1", "5.1.1", "5.7.1", ""),
    ("permanent", "hardfail"): ("5.1.1", "5.1.1", "5.7.1", ""),
    ("permanent", "generic"): ("4.3.0", "5.1.1", "5.7.1", ""),
    ("permanent", "espblock"): ("5.7.1", "5.7.1", "5.7.1", "5.7.1"),
    ("permanent", "greylisted"): ("4.7.1", "5.1.1", "5.7.1", "4.7.1"),
    ("permanent", "old"): ("4.4.7", "5.1.1", "5.7.1", "4.4.7"),
    ("temporary", "old"): ("4.4.7", "5.1.1", "5.7.1", "4.4.7"),
    ("permanent", "suppress-bounce"): NOTHING,
    ("permanent", "suppress-complaint"): NOTHING,
    ("permanent", "suppress-unsubscribe"): NOTHING,
    ("permanent", "suppress-something-new"): NOTHING,
    ("temporary", "generic"): "delayed",
    ("temporary", "greylisted"): "delayed",
    ("temporary", "espblock"): "delayed",
    ("temporary", "new"): "delayed",
    ("permanent", "new"): ("4.3.0", "5.1.1", "5.7.1", ""),
    ("new", "bounce"): NOTHING,
}
MAILGUN_EVENTS = {
    "delivered": ("delivered", ""),
    "complained": ("complaint", ""),
    "rejected": ("bounce", "5.7.1"),
    "unsubscribed": ("leave", ""),
    **dict.fromkeys(["accepted", "stored", "opened", "clicked", "new"], (NOTHING, "")),
}


@pytest.mark.parametrize(("words", "read"), MAILGUN_FAILED.items(), ids=lambda value: str(value)[:40])
def test_a_failure_of_mailgun(words, read):
    found = [short(said("mailgun", mailgun_failed(*words, message=text))) for text in ("", GONE, SPAM, VAGUE)]
    assert found == ([(read, "")] * 4 if isinstance(read, str) else [("bounce", one) for one in read])


@pytest.mark.parametrize("code", [605, 606, 607])
def test_what_mailgun_did_not_try_is_no_fresh_bounce(code):
    assert said("mailgun", mailgun_failed("permanent", "bounce", code=code, message="Not delivering")).signal is None


def test_the_codes_that_mailgun_has_in_fields_of_their_own_count():
    event = mailgun_failed("permanent", "generic", code=552, message="over it", **{"enhanced-code": "5.2.2"})
    reading = said("mailgun", event)
    assert reading.signal is not None
    assert (reading.signal.code, reading.signal.status, reading.signal.text) == (552, "5.2.2", "over it")


@pytest.mark.parametrize(("name", "read"), MAILGUN_EVENTS.items())
def test_another_event_of_mailgun(name, read):
    assert short(said("mailgun", mailgun_event(name))) == read


def test_every_word_of_mailgun_has_its_line():
    assert set(mailgun.FAILED) <= set(MAILGUN_FAILED)
    assert set(mailgun.EVENTS) == set(MAILGUN_EVENTS) - {"new"}


def test_mailgun_may_also_repeat_the_envelope_sender():
    reading = said("mailgun", mailgun_event("complained", token=None, envelope={"sender": posts.SENDER}))
    assert reading.signal is not None
    assert reading.signal.token == TOKEN


OURS = ("5.7.1", "5.7.1", "5.7.1", "5.7.1")
POSTMARK_BOUNCES = {
    "HardBounce": ("5.1.1", "5.1.1", "5.7.1", ""),
    "BadEmailAddress": ("5.1.3", "5.1.1", "5.7.1", "5.1.3"),
    "SoftBounce": ("4.3.0", "5.1.1", "5.7.1", ""),
    "Unknown": ("", "5.1.1", "5.7.1", ""),
    "DnsError": ("4.4.3", "5.1.1", "5.7.1", "4.4.3"),
    "SpamNotification": OURS,
    "Blocked": OURS,
    "DMARCPolicy": OURS,
    "VirusNotification": ("5.6.0", "5.6.0", "5.7.1", "5.6.0"),
    "SMTPApiError": ("5.6.0", "5.6.0", "5.7.1", "5.6.0"),
    "Transient": "delayed",
    "SpamComplaint": "complaint",
    "Unsubscribe": "leave",
    **dict.fromkeys(["AutoResponder", "ChallengeVerification", "AddressChange", "OpenRelayTest"], NOTHING),
    **dict.fromkeys(["InboundError", "TemplateRenderingFailed", "Subscribe", "ManuallyDeactivated"], NOTHING),
    **dict.fromkeys(["Unconfirmed", "SomethingNew"], NOTHING),
}
POSTMARK_RECORDS = {
    "Delivery": "delivered",
    "SpamComplaint": "complaint",
    **dict.fromkeys(["Open", "Click", "Inbound", "SomethingNew"], NOTHING),
}
POSTMARK_CHANGES = {
    ("ManualSuppression", "Recipient", True): "leave",
    ("SpamComplaint", "Recipient", True): "complaint",
    ("ManualSuppression", "Recipient", False): NOTHING,
    ("ManualSuppression", "Customer", True): NOTHING,
    ("HardBounce", "Recipient", True): NOTHING,
    ("SomethingNew", "Recipient", True): NOTHING,
}


@pytest.mark.parametrize(("kind", "read"), POSTMARK_BOUNCES.items(), ids=lambda value: str(value)[:40])
def test_a_bounce_of_postmark(kind, read):
    found = [short(said("postmark", postmark_bounce(kind, details=words))) for words in ("", GONE, SPAM, VAGUE)]
    assert found == ([(read, "")] * 4 if isinstance(read, str) else [("bounce", one) for one in read])


@pytest.mark.parametrize(("kind", "read"), POSTMARK_RECORDS.items())
def test_another_record_of_postmark(kind, read):
    record = {"RecordType": kind, "MessageID": "m1", "Metadata": {"postrider": TOKEN}}
    assert said("postmark", record).kind == read


@pytest.mark.parametrize(("change", "read"), POSTMARK_CHANGES.items(), ids=str)
def test_a_change_at_postmark(change, read):
    why, origin, suppress = change
    record = {"RecordType": "SubscriptionChange", "MessageID": "m1", "Metadata": {"postrider": TOKEN}}
    told = {"SuppressionReason": why, "Origin": origin, "SuppressSending": suppress}
    assert said("postmark", record | told).kind == read


def test_every_word_of_postmark_has_its_line():
    assert set(postmark.BOUNCES) == set(POSTMARK_BOUNCES) - {"SomethingNew"}
    assert set(postmark.RECORDS) == set(POSTMARK_RECORDS) - {"SomethingNew"}
    assert {(*key, True) for key in postmark.CHANGES} <= set(POSTMARK_CHANGES)


@pytest.mark.parametrize(
    ("service", "event"),
    [
        ("ses", posts.ses_bounce(sender="news@monsoon.example.org")),
        ("sendgrid", sendgrid_event(token=None)),
        ("sendgrid", sendgrid_event(token="")),
        ("mailgun", mailgun_event("complained", token=None)),
        ("postmark", postmark_bounce(Metadata={})),
        ("postmark", postmark_bounce(Metadata=None)),
    ],
    ids=["ses", "sendgrid", "sendgrid, empty", "mailgun", "postmark", "postmark, none"],
)
def test_an_event_without_a_token_changes_nothing(service, event):
    reading = said(service, event)
    assert (reading.signal, reading.why) == (None, "It carries no token of ours.")


@pytest.mark.parametrize(
    ("service", "event", "at"),
    [
        ("ses", posts.ses_bounce(), datetime(2026, 11, 28, 11, 59, 29, tzinfo=UTC)),
        ("sendgrid", sendgrid_event(), datetime.fromtimestamp(1795866000, UTC)),
        ("mailgun", mailgun_event("complained"), datetime.fromtimestamp(1795866000.25, UTC)),
        ("postmark", postmark_bounce(), datetime(2026, 11, 28, 11, 59, 29, 907025, tzinfo=UTC)),
    ],
    ids=["ses", "sendgrid", "mailgun", "postmark"],
)
def test_a_signal_says_who_told_and_when_it_happened(service, event, at):
    signal = said(service, event).signal
    assert signal is not None
    assert (signal.source, signal.at) == (service, at)


def test_an_address_in_the_words_is_masked():
    signal = said("postmark", postmark_bounce(details=GONE)).signal
    assert signal is not None
    assert signal.text == "550 5.1.1 <***@example.org>: no such user"


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        ("550 5.1.1 gone", 550, "5.1.1"),
        ("smtp; 550 5.1.1 gone", 550, "5.1.1"),
        ("smtp;550-5.1.1 gone", 550, "5.1.1"),
        ("550 #5.1.0 Address rejected", 550, "5.1.0"),
        ("5.1.1 gone", None, "5.1.1"),
        ("550 5.1.1", 550, "5.1.1"),
        ("550 5.1.1.", 550, "5.1.1"),
        ("550", 550, ""),
        ("Exim 4.94.2 says no", None, ""),
        ("4.3.2.1 says no", None, ""),
        ("550 4.3.2.1 is blocked", 550, ""),
        ("call 555 1234", None, ""),
        ("5501 bottles", None, ""),
        ("", None, ""),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_codes_are_read_where_a_reply_begins_and_nowhere_else(words, code, status):
    event = postmark_bounce("Unknown", details=words)
    event["Description"] = ""
    signal = said("postmark", event).signal
    assert signal is not None
    assert (signal.code, signal.status) == (code, status)


TABLES: list[Mapping[Any, Meaning]] = [
    *(ses.BOUNCES, ses.COMPLAINTS, ses.OTHERS),
    *(sendgrid.EVENTS, sendgrid.CLASSIFICATIONS, sendgrid.BOUNCES, sendgrid.DROPPED),
    *(mailgun.EVENTS, mailgun.FAILED, postmark.RECORDS, postmark.BOUNCES, postmark.CHANGES),
]
STANDS_FOR = {
    "": Class.UNDETERMINED,
    "5.1.1": Class.HARD,
    "5.1.3": Class.HARD,
    "4.2.2": Class.FULL,
    "4.3.0": Class.SOFT,
    "4.4.3": Class.SOFT,
    "4.4.7": Class.SOFT,
    "4.7.1": Class.THROTTLE,
    "4.7.28": Class.THROTTLE,
    "5.3.4": Class.OURS,
    "5.6.0": Class.OURS,
    "5.7.1": Class.REFUSAL,
}
"""The class of each code that stands in for words of a service, by the one table of delivery/classes.toml."""


def test_every_code_that_stands_in_for_words_is_of_the_class_that_is_meant():
    bounces = [meaning for table in TABLES for meaning in table.values() if meaning.kind is Kind.BOUNCE]
    assert {code for meaning in bounces for code in (meaning.status, meaning.silent)} == set(STANDS_FOR)
    for code, expected in STANDS_FOR.items():
        row = classes.classify(action="failed", code=None, status=code, text="", provider=1)
        assert row.means is expected, code


def test_no_meaning_has_words_for_what_it_does_not_do():
    for meaning in (one for table in TABLES for one in table.values()):
        assert (meaning.kind is None) == bool(meaning.why)
        assert meaning.kind is Kind.BOUNCE or not (meaning.status or meaning.silent or meaning.ours)
