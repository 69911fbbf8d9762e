"""`flask digests apply` as a person types it: what changes is shown, what nobody could read answers at is refused."""

import pytest

DIGEST = """
[[digest]]
key = "asia-daily"
name = "Asia Daily"
language = "en"
rhythms = ["daily"]
default_time = "07:00"
default_zone = "Asia/Hong_Kong"
reply_to = "{}"
"""


@pytest.mark.parametrize(
    "address", ["news@monsoon.example.org", "News@Monsoon.example.org", "x@bounces.monsoon.example.org"]
)
def test_a_reply_to_that_nobody_reads_is_refused(flask, tmp_path, address):
    (tmp_path / "digests.toml").write_text(DIGEST.format(address))
    done = flask(f"digests apply {tmp_path / 'digests.toml'}")
    assert done.exit_code == 1 and "Name an address of your desk" in done.output


def test_a_reply_to_of_the_desk_is_taken(flask, tmp_path):
    (tmp_path / "digests.toml").write_text(DIGEST.format("desk@monsoon.example.org"))
    assert flask(f"digests apply {tmp_path / 'digests.toml'}").exit_code == 0


def test_what_changes_is_shown_and_a_dry_run_changes_nothing(flask, tmp_path):
    file = tmp_path / "digests.toml"
    file.write_text(DIGEST.format("desk@monsoon.example.org"))
    for _ in range(2):
        shown = flask(f"digests apply {file} --dry-run")
        assert (shown.exit_code, shown.output) == (0, "+ asia-daily: new\n")
    assert flask(f"digests apply {file}").output == "+ asia-daily: new\n1 digests are on offer.\n"
    file.write_text(DIGEST.format("desk@monsoon.example.org") + "most = 9\nleast = 2\n")
    shown = flask(f"digests apply {file}").output
    assert shown == "~ asia-daily\n    most: 10 -> 9\n    least: 1 -> 2\n1 digests are on offer.\n"
    assert flask(f"digests apply {file}").output.startswith("Nothing changes.")
