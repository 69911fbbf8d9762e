"""A sample of the feeds proof: a few members of every class through the commands, in this process.

The whole of it, from outside and on both databases, is `make proof-feeds`.
"""

import dataclasses
import functools
import socket
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from core import fetch
from core.database import Base, db
from tasks import nudge
from tests.installation import settings_for
from tests.proofs import corpus, feeds_oracle, feeds_server
from tests.proofs.corpus.model import Member
from tests.proofs.feeds_commands import Said
from tests.proofs.feeds_oracle import Ledger
from tests.proofs.feeds_server import Server

PUBLIC = "93.184.215.14"
SAMPLED = 2
NAMES = {
    "localhost": ["127.0.0.1"],
    "inside.example.org": ["10.0.0.5"],
    "mixed.example.org": [PUBLIC, "127.0.0.1"],
    "nowhere.example.org": [],
    "closed.example.org": ["93.184.215.15"],
}
MEMBERS = [
    member
    for _kind, ours in groupby(corpus.members(), key=lambda member: member.kind)
    for member in [one for one in ours if one.scheme == "http" and "tls" not in str(one.looks)][:SAMPLED]
    if member.kind not in ("slow feeds", "certificates")
]


@pytest.fixture(scope="module")
def web() -> Iterator[tuple[Server, int]]:
    with feeds_server.serving([("127.0.0.1", 0)]) as (server, places):
        yield server, places[0][1]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, web: tuple[Server, int]) -> Iterator[tuple[Flask, Path]]:
    file = tmp_path_factory.mktemp("feeds") / "feeds.db"
    made = create_app(settings_for(f"sqlite:///{file}"))

    def connect(address: str, _port: int, timeout: float) -> socket.socket:
        if address != PUBLIC:
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", web[1]), timeout)

    def resolve(host: str, _port: int) -> list[str]:
        return NAMES.get(host, [host if host[0].isdigit() or ":" in host else PUBLIC])

    network = fetch.Network(resolve, connect)
    with pytest.MonkeyPatch.context() as patch, made.app_context():
        patch.setattr(fetch, "get", functools.partial(fetch.get, _network=network))
        patch.setattr(nudge, "_nudge", lambda *_task: None)
        Base.metadata.create_all(db.engine)
        yield made, file
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def run(app: tuple[Flask, Path]) -> Callable[..., Said]:
    def command(*words: str) -> Said:
        db.session.remove()
        ended = app[0].test_cli_runner().invoke(args=list(words))
        return Said(ended.exit_code, ended.output, "", 0)

    return command


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: f"{member.kind}: {member.name}")
def test_a_bad_feed_comes_to_what_it_must(
    member: Member, run: Callable[..., Said], app: tuple[Flask, Path], web: tuple[Server, int]
) -> None:
    ours = dataclasses.replace(member, looks=member.looks)
    assert feeds_oracle.held_against(ours, run, web[0], Ledger(f"sqlite:///{app[1]}")) == []
