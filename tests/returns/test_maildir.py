"""A Maildir is read once, mail by mail: nothing in it is lost, read twice, or followed out of it."""

import os

import pytest

from returns import mime
from returns.fetched import CHUNK, BoxError
from returns.maildir import MaildirBox
from tests.returns.conftest import bounce, maildir


def places(box: MaildirBox) -> list[str]:
    return [mail.place for chunk in box.chunks() for mail in chunk.mails]


@pytest.fixture
def folder(tmp_path):
    return maildir(tmp_path / "box")


def put(folder, place: str, raw: bytes = b"From: a@b.test\n\nx\n") -> None:
    (folder / place).write_bytes(raw)


def test_what_is_new_and_what_nobody_has_seen_is_read_oldest_first(folder):
    put(folder, "new/2.b.host")
    put(folder, "cur/1.a.host:2,F")
    put(folder, "cur/0.z.host:2,S")
    put(folder, "tmp/9.x.host")
    put(folder, "new/.hidden")
    assert places(MaildirBox(folder)) == ["cur/1.a.host:2,F", "new/2.b.host"]


def test_what_is_done_lies_in_cur_as_seen_with_the_flags_that_it_had(folder):
    put(folder, "new/1.a.host")
    put(folder, "cur/2.b.host:2,F")
    box = MaildirBox(folder)
    (chunk,) = box.chunks()
    box.put_away(chunk.mails, [])
    assert sorted(os.listdir(folder / "cur")) == ["1.a.host:2,S", "2.b.host:2,FS"]
    assert not os.listdir(folder / "new") and not places(box)


def test_what_cannot_be_read_lies_in_a_folder_of_its_own_as_it_came(folder):
    put(folder, "new/1.a.host", b"\0\1\2")
    box = MaildirBox(folder)
    (chunk,) = box.chunks()
    box.put_away([], chunk.mails)
    assert (folder / ".Unreadable/new/1.a.host").read_bytes() == b"\0\1\2"
    assert not places(box)


def test_a_mail_that_is_gone_or_was_moved_meanwhile_is_no_fault(folder):
    put(folder, "new/1.a.host")
    box = MaildirBox(folder)
    (chunk,) = box.chunks()
    os.unlink(folder / "new/1.a.host")
    box.put_away(chunk.mails, [])
    box.put_away([], chunk.mails)


def test_of_a_long_mail_only_its_beginning_is_held_and_its_length_is_known(folder):
    with (folder / "new/1.a.host").open("wb") as file:
        file.write(b"From: a@b.test\n\n")
        file.truncate(200 * 1024 * 1024)
    (chunk,) = MaildirBox(folder).chunks()
    assert len(chunk.mails[0].raw) == mime.MAX_OCTETS
    assert chunk.mails[0].octets == 200 * 1024 * 1024


def test_a_chunk_is_bounded_by_number_and_by_octets(folder):
    for number in range(CHUNK + 20):
        put(folder, f"new/{number:04d}.a.host", bounce("x", number=number).encode())
    assert [len(chunk.mails) for chunk in MaildirBox(folder).chunks()] == [CHUNK, 20]
    for number in range(40):
        put(folder, f"new/a{number:04d}.a.host", bytes(mime.MAX_OCTETS))
    assert max(sum(len(mail.raw) for mail in chunk.mails) for chunk in MaildirBox(folder).chunks()) < 5 * 1024 * 1024


def test_a_link_a_pipe_and_a_folder_are_passed_over(folder, tmp_path):
    (tmp_path / "secret").write_text("From: a@b.test\n\nsecret\n")
    os.symlink(tmp_path / "secret", folder / "new/1.link")
    os.mkfifo(folder / "new/2.pipe")
    (folder / "new/3.folder").mkdir()
    assert places(MaildirBox(folder)) == []


def test_what_is_no_maildir_is_refused_with_a_sentence_that_names_the_cure(tmp_path):
    with pytest.raises(BoxError, match=r"is no Maildir: it has no folder tmp/. MAILBOX_URL must name"):
        MaildirBox(tmp_path)
