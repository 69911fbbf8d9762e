"""The folder outside the database: made once, written as a whole, and refused at the start when it cannot be."""

import os
import stat
import threading

import pytest

from core import hostfolder
from core.errors import UnfitStart


def test_a_host_has_one_name_however_many_processes_ask_at_once(tmp_path):
    names: list[str] = []
    threads = [
        threading.Thread(target=lambda: names.append(hostfolder.name_of(tmp_path / "state"))) for _one in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 8 and len(set(names)) == 1 and len(names[0]) == 16


def test_nobody_else_on_the_machine_can_read_what_is_kept(tmp_path):
    folder = tmp_path / "state"
    before = os.umask(0)
    try:
        hostfolder.prepare(folder)
        hostfolder.append(folder, "lines", b"one\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_change_sees_the_one_before_it_and_leaves_no_draft(tmp_path):
    for expected in ("x", "xx", "xxx"):
        assert hostfolder.change(tmp_path, "count", lambda text: text + "x") == expected
    assert [file.name for file in tmp_path.iterdir()] == ["count"]


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    hostfolder.change(tmp_path, "tick", lambda _text: "1")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        hostfolder.change(tmp_path, "tick", lambda _text: "2")
    assert hostfolder.read(tmp_path, "tick") == "1"


def test_a_change_that_will_not_wait_is_left_out_while_another_is_under_way(tmp_path):
    def edit(text: str) -> str:
        with pytest.raises(BlockingIOError):
            hostfolder.change(tmp_path, "tick", lambda _text: "not now", wait=False)
        return text + "kept"

    assert hostfolder.change(tmp_path, "tick", edit) == "kept"


def test_what_a_cut_off_write_left_takes_no_later_line_with_it(tmp_path):
    hostfolder.append(tmp_path, "lines", b"one\n")
    with (tmp_path / "lines").open("ab") as file:
        file.write(b"tw")
    hostfolder.append(tmp_path, "lines", b"three\nfour\n")
    assert (tmp_path / "lines").read_bytes().splitlines() == [b"one", b"tw", b"three", b"four"]


def test_a_new_file_outlives_a_power_cut_by_its_name_too(tmp_path, monkeypatch):
    flushed: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(stat.S_ISDIR(os.fstat(descriptor).st_mode)))
    for _twice in range(2):
        hostfolder.append(tmp_path, "lines", b"one\n")
    assert flushed == [False, True, False]
    flushed.clear()
    hostfolder.change(tmp_path, "tick", lambda _text: "1")
    assert flushed == [False, True]


def test_a_write_of_which_only_a_part_fitted_is_an_error(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:2]))
    with pytest.raises(OSError, match="only a part"):
        hostfolder.append(tmp_path, "lines", b"three\n")


def test_a_folder_that_cannot_be_written_is_refused_with_the_cure(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UnfitStart, match="STATE_DIR") as refused:
        hostfolder.prepare(tmp_path / "file" / "state")
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_read_only_is_refused(tmp_path, monkeypatch):
    hostfolder.prepare(tmp_path)
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(UnfitStart, match="Permission denied"):
        hostfolder.prepare(tmp_path)
