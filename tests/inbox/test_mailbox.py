"""A mail that was stored is there, whole, in its place in the order, and nowhere else."""

import os
import stat
import threading
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from inbox.mailbox import Mailbox, MailNotFound
from tests.inbox.mails import BOUNCES, NOW, READER, mail


def test_a_mail_comes_back_byte_for_byte_with_its_envelope(mailbox):
    source = b"\xff\x00 not a mail\n\r.\r\n\n"
    key = mailbox.store(BOUNCES, [READER, "lee@readers.example"], source, now=NOW)
    found = mailbox.get(key)
    assert found.source == source
    assert found.envelope.sender == BOUNCES
    assert found.envelope.recipients == (READER, "lee@readers.example")
    assert found.envelope.received_at == NOW


def test_a_mail_gets_its_name_only_after_file_and_before_the_folder_are_forced_to_disk(mailbox, monkeypatch):
    steps = []
    sync, rename = os.fsync, Path.rename

    def noted_sync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def noted_rename(path: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(path, target)

    mailbox.store("", [READER], b"first", now=NOW)
    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    mailbox.store("", [READER], b"second", now=NOW)
    assert steps == ["file", "rename", "folder"]


def test_mails_are_listed_newest_first_even_when_the_clock_stands_still_or_goes_back(mailbox):
    times = [NOW, NOW, NOW - timedelta(hours=1), NOW + timedelta(seconds=1)]
    keys = [mailbox.store("", [READER], b"", now=now) for now in times]
    assert mailbox.newest() == keys[::-1]
    assert mailbox.newest(2, 1) == [keys[2], keys[1]]


def test_the_order_goes_on_after_a_restart_with_a_clock_set_back(mailbox, tmp_path):
    before = mailbox.store("", [READER], b"", now=NOW)
    after = Mailbox(tmp_path / "inbox").store("", [READER], b"", now=NOW - timedelta(days=1))
    assert Mailbox(tmp_path / "inbox").newest() == [after, before]


def test_a_mail_with_a_set_back_clock_still_tells_the_time_it_was_given(mailbox):
    mailbox.store("", [READER], b"", now=NOW)
    key = mailbox.store("", [READER], b"", now=NOW - timedelta(days=1))
    assert mailbox.get(key).envelope.received_at == NOW - timedelta(days=1)


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".",
        "..",
        "../secret",
        "..%2fsecret",
        "/etc/passwd",
        "incoming",
        "secret",
        "20261123T144007123456-abcdef\n",
        "20261123T144007123456-abcdef/../../secret",
    ],
)
def test_what_is_not_a_key_opens_no_file(mailbox, tmp_path, key):
    mailbox.store("", [READER], b"", now=NOW)
    (tmp_path / "secret.eml").write_bytes(b"secret")
    (tmp_path / "inbox" / "secret.eml").write_bytes(b"secret")
    (tmp_path / "inbox" / "20261123T144007123456-abcdef").mkdir()
    with pytest.raises(MailNotFound):
        mailbox.get(key)
    assert len(mailbox.newest()) == 1


def test_a_refusing_disk_raises_and_leaves_nothing_behind(mailbox, tmp_path, monkeypatch):
    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    mailbox.store("", [READER], b"", now=NOW)
    mailbox.clear()
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        mailbox.store("", [READER], b"", now=NOW)
    assert mailbox.newest() == []
    assert list((tmp_path / "inbox").rglob("*.eml")) == []


def test_half_written_mails_are_not_listed_and_are_swept_away(mailbox, tmp_path):
    kept = mailbox.store("", [READER], b"", now=NOW)
    half = tmp_path / "inbox" / "incoming" / "20261123T144007123456-abcdef.eml"
    half.write_bytes(b"half")
    assert mailbox.newest() == [kept]
    mailbox.sweep()
    assert not half.exists()
    assert mailbox.newest() == [kept]


def test_a_folder_deleted_under_way_is_an_empty_inbox_that_takes_mail_again(mailbox, tmp_path):
    mailbox.store("", [READER], b"", now=NOW)
    for path in sorted((tmp_path / "inbox").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "inbox").rmdir()
    assert mailbox.newest() == []
    key = mailbox.store("", [READER], b"again", now=NOW)
    assert mailbox.get(key).source == b"again"


def test_clearing_up_to_a_mail_leaves_the_newer_ones(mailbox):
    keys = [mailbox.store("", [READER], b"", now=NOW) for _ in range(3)]
    assert mailbox.clear(through=keys[1]) == 2
    assert mailbox.newest() == [keys[2]]
    assert mailbox.clear() == 1
    assert mailbox.newest() == []


def test_mails_are_readable_by_their_owner_alone(mailbox, tmp_path):
    mailbox.store("", [READER], b"", now=NOW)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "inbox").rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "inbox").stat().st_mode) == 0o700


def test_many_threads_store_at_once_and_lose_nothing(mailbox):
    def store(number: int) -> None:
        for part in range(10):
            mailbox.store("", [READER], f"{number}.{part}".encode(), now=NOW)

    threads = [threading.Thread(target=store, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({mailbox.get(key).source for key in mailbox.newest()}) == 80


def test_the_file_on_disk_opens_in_any_mail_program(mailbox, tmp_path):
    key = mailbox.store(BOUNCES, [READER], mail("Morning"), now=NOW)
    assert message_from_bytes((tmp_path / "inbox" / f"{key}.eml").read_bytes())["Subject"] == "Morning"


def test_a_file_without_its_envelope_is_still_shown(mailbox, tmp_path):
    key = mailbox.store(BOUNCES, [READER], b"", now=NOW)
    (tmp_path / "inbox" / f"{key}.eml").write_bytes(b"X-Inbox-Envelope: {broken\r\nSubject: x\r\n\r\n")
    found = mailbox.get(key)
    assert found.source.endswith(b"Subject: x\r\n\r\n")
    assert found.envelope.recipients == ()
    assert found.envelope.received_at == NOW
