"""A sample of the fetch proof: every address of its list, by the one function that fetches, in this process.

The whole of it, through the commands and in a network with canaries, is `make proof-fetch`.
"""

import html
import ipaddress
import socket
from collections.abc import Iterator

import pytest
from dnslib import QTYPE, DNSRecord

from articles import pictures_found
from core import fetch
from tests import nameserver
from tests.nameserver import NameServer
from tests.proofs import fetch_list

SPELLED = [url for kind, url in fetch_list.addresses() if kind != "names"]


def _never(address: str, port: int, _timeout: float) -> socket.socket:
    pytest.fail(f"connected to {address} port {port}")


def _resolver(server: NameServer) -> fetch.Network:
    """Return a network whose names the lying server answers, in which nothing may be connected to."""

    def resolve(host: str, _port: int) -> list[str]:
        found = []
        for kind in ("A", "AAAA"):
            answer = server.answer(DNSRecord.question(host, kind).pack(), "udp")
            assert answer is not None
            records = DNSRecord.parse(answer).rr
            found += [str(record.rdata) for record in records if QTYPE[record.rtype] == kind]
        return found

    return fetch.Network(resolve, _never)


@pytest.fixture(scope="module")
def liar() -> Iterator[NameServer]:
    with nameserver.serving({**fetch_list.names(), **fetch_list.rebinding()}) as server:
        yield server


@pytest.mark.parametrize("url", SPELLED)
def test_no_spelling_of_an_address_that_is_not_public_is_connected_to(url: str) -> None:
    with pytest.raises(fetch.FetchRefused):
        fetch.get(fetch.FetchRequest(url), _network=fetch.Network(_itself, _never))


@pytest.mark.parametrize("url", SPELLED)
def test_no_picture_of_a_story_leads_there_either(url: str) -> None:
    _markup, found = pictures_found.taken_out(f'<p>Told.</p><img src="{html.escape(url)}">', base=None)
    for picture in found:
        with pytest.raises(fetch.FetchRefused):
            fetch.get(fetch.FetchRequest(picture.url), _network=fetch.Network(_itself, _never))


def test_no_spelling_of_an_address_that_is_not_public_is_sent_a_form() -> None:
    """Hubs are asked by forms; this door refuses what the other one does."""
    for url in SPELLED:
        with pytest.raises(fetch.FetchRefused):
            fetch.post_form(url, {"hub.mode": "subscribe"}, _network=fetch.Network(_itself, _never))


def _itself(host: str, _port: int) -> list[str]:
    """Resolve what is an address already, as every resolver does, and the one name of the list."""
    return ["127.0.0.1"] if host.rstrip(".") == "localhost" else [str(ipaddress.ip_address(host.rstrip(".")))]


@pytest.mark.parametrize("name", fetch_list.LYING)
def test_no_name_that_answers_with_an_inner_address_is_connected_to(name: str, liar: NameServer) -> None:
    with pytest.raises(fetch.FetchRefused, match="not on the public internet"):
        fetch.get(fetch.FetchRequest(f"http://{name}/"), _network=_resolver(liar))


@pytest.mark.parametrize("name", fetch_list.rebinding())
def test_a_name_that_is_rebound_is_asked_once_and_its_first_answer_is_what_is_connected_to(
    name: str, liar: NameServer
) -> None:
    reached = []

    def connect(address: str, _port: int, _timeout: float) -> socket.socket:
        reached.append(address)
        raise ConnectionRefusedError

    lying = _resolver(liar)
    with pytest.raises(fetch.FetchFailed, match="cannot be reached"):
        fetch.get(fetch.FetchRequest(f"http://{name}/"), _network=fetch.Network(lying.resolve, connect))
    assert all(ipaddress.ip_address(address).is_global for address in reached)
    with pytest.raises(fetch.FetchRefused, match="not on the public internet"):
        fetch.get(fetch.FetchRequest(f"http://{name}/"), _network=lying)
