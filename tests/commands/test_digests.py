"""`flask digests apply` as a person types it: what nobody could read answers at is refused."""

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
