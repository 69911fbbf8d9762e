"""Fetching what others chose: only from public hosts, only so much, only so long."""

import contextlib
import datetime
import gzip
import ipaddress
import socket
import ssl
import threading
import zlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import fetch, gunzip, hosts
from tests.core.web import PUBLIC, serving, within

FEED = b"<feed/>" * 20
HOST = "http://feeds.example.org"

# The special-purpose registries of IANA (IPv4 and IPv6), and the multicast blocks; written out here on their own.
SPECIAL = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
    *("::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
    *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "::/96"),
]


@pytest.fixture
def web():
    with serving() as served:
        yield served


def test_a_feed_is_fetched_with_its_validators(web):
    web.pages["/a.atom?x=1"] = lambda asked: asked.answer(
        200, FEED, ETag='W/"1"', Last_Modified="Thu, 15 Feb 2024 06:13:00 GMT"
    )
    fetched = web.get(f"{HOST}/a.atom?x=1#top")
    assert (fetched.status, fetched.body, fetched.etag) == (200, FEED, 'W/"1"')
    assert fetched.last_modified == "Thu, 15 Feb 2024 06:13:00 GMT"
    assert web.hits[0].headers["Host"] == "feeds.example.org"
    assert web.connected == [(PUBLIC, 80)]


def test_what_is_no_feed_is_asked_for_as_what_it_is(web):
    web.pages["/"] = lambda asked: asked.answer(200, FEED)
    fetch.get(fetch.FetchRequest(HOST, accept="text/plain"), _network=web.network())
    asked = web.hits[0].headers
    assert (asked["Accept"], asked["User-Agent"]) == ("text/plain", "Postrider")


def test_an_unchanged_feed_is_not_sent_again(web):
    def page(asked):
        assert asked.headers["If-None-Match"] == '"1"'
        assert asked.headers["If-Modified-Since"] == "Thu, 15 Feb 2024 06:13:00 GMT"
        asked.answer(304, ETag='"1"')

    web.pages["/"] = page
    fetched = web.get(HOST, etag='"1"', last_modified="Thu, 15 Feb 2024 06:13:00 GMT")
    assert (fetched.status, fetched.body) == (304, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_and_the_answer_says_where_it_came_from(web, status):
    web.pages["/old"] = lambda asked: asked.answer(status, Location="//other.example.org/new", Set_Cookie="a=b")
    web.pages["/new"] = lambda asked: asked.answer(200, FEED)
    assert web.get(f"{HOST}/old").url == "http://other.example.org/new"
    assert "Cookie" not in web.hits[1].headers
    assert web.looked_up == ["feeds.example.org", "other.example.org"]


def test_a_chain_of_redirects_ends(web):
    web.pages["/loop"] = lambda asked: asked.answer(302, Location="/loop")
    with pytest.raises(fetch.FetchRefused, match="more than 3 times"):
        web.get(f"{HOST}/loop")
    assert len(web.hits) == 4


@pytest.mark.parametrize(
    "location",
    [
        *("http://127.0.0.1/", "http://localhost/", "http://inside.example.org/", "http://[::1]/", "http://127.1/"),
        *("http://169.254.169.254/latest/meta-data", "http://[::ffff:10.0.0.1]/", "http://2130706433/"),
        *("file:///etc/passwd", "gopher://feeds.example.org/", "ftp://feeds.example.org/", "http://a:b@example.org/"),
        *("http://feeds.example.org:6379/", "http://[::1", "javascript:alert(1)", "data:text/xml,<a/>"),
    ],
)
def test_a_redirect_leads_nowhere_that_a_feed_may_not_be(web, location):
    web.names |= {"localhost": ["127.0.0.1", "::1"], "inside.example.org": ["10.0.0.5"]}
    web.pages["/"] = lambda asked: asked.answer(302, Location=location)
    with pytest.raises(fetch.FetchRefused):
        web.get(HOST)
    assert len(web.hits) == 1


def test_without_the_hook_of_the_tests_loopback_is_refused_before_any_connection():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        port = listening.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(fetch.FetchRefused, match="not on the public internet"):
                fetch.get(fetch.FetchRequest(f"http://{host}/"))
            with pytest.raises(fetch.FetchRefused, match="ports 80 and 443"):
                fetch.get(fetch.FetchRequest(f"http://{host}:{port}/"))
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_hook_for_connecting_does_not_loosen_the_address_rule(web):
    web.pages["/"] = lambda asked: asked.answer(200, FEED)
    web.names["feeds.example.org"] = ["127.0.0.1"]
    with pytest.raises(fetch.FetchRefused, match="not on the public internet"):
        web.get(HOST)
    assert (web.hits, web.connected) == ([], [])


def test_one_private_address_among_public_ones_is_enough_to_refuse(web):
    web.names["feeds.example.org"] = [PUBLIC, "192.168.0.10"]
    with pytest.raises(fetch.FetchRefused):
        web.get(HOST)
    assert web.connected == []


def test_a_name_is_looked_up_once_and_rebinding_it_is_no_use(web):
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    network = web.network()
    rebinding = fetch.Network(lambda host, port: next(answers), network.connect, network.tls)
    web.pages["/"] = lambda asked: asked.answer(200, FEED)
    fetch.get(fetch.FetchRequest(HOST), _network=rebinding)
    assert web.connected == [(PUBLIC, 80)]
    assert next(answers) == ["127.0.0.1"]


def test_the_next_address_is_tried_when_one_does_not_answer(web):
    network = web.network()

    def connect(address, port, timeout):
        if address != PUBLIC:
            raise OSError("unreachable")
        return network.connect(address, port, timeout)

    web.names["feeds.example.org"] = ["2600:1406::1", PUBLIC]
    web.pages["/"] = lambda asked: asked.answer(200, FEED)
    fetched = fetch.get(fetch.FetchRequest(HOST), _network=fetch.Network(network.resolve, connect))
    assert fetched.body == FEED


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.1/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://2130706433/", "http://0177.0.0.1/"),
        *("http://127.0.0.01/", "http://1.1/", "http://①②⑦.1/", "http://127。1/", "http://0/", "http://0x/"),
        *("http://user@example.org/", "http://user:pw@example.org/", "http://@example.org/", "http://a@b@c/"),
        *("ftp://example.org/", "file:///etc/passwd", "HTTP", "", "//example.org/", "example.org", "gopher://x/"),
        *("http://example.org:22/", "http://example.org:0/", "https://example.org:8443/", "http://example.org:x/"),
        *("http://", "http:///", "http://[::1", "http://[fe80::1%25eth0]/", "http://[not-an-ip]/", "http://a..b/"),
        *("http://exa mple.org/", "http://example.org\\@127.0.0.1/", "http://example.org/\r\nX: y", "http://a\tb/"),
        *("http://example.org%2f@127.0.0.1/", "http://ex%61mple.org/", "http://" + "a" * 64 + ".org/"),
        "http://example.org/" + "a" * 2_000,
    ],
)
def test_an_address_of_an_odd_kind_is_refused_without_looking_it_up(web, url):
    with pytest.raises(fetch.FetchRefused):
        fetch.check(url)
    with pytest.raises(fetch.FetchRefused):
        web.get(url)
    assert (web.looked_up, web.connected) == ([], [])


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://example.org", "example.org", 80, "/"),
        ("https://EXAMPLE.org./a?b=c#d", "example.org.", 443, "/a?b=c"),
        ("https://example.org:80/", "example.org", 80, "/"),
        ("http://bücher.example/é?q=ü", "xn--bcher-kva.example", 80, "/%C3%A9?q=%C3%BC"),
        ("http://93.184.215.14/%41", "93.184.215.14", 80, "/%41"),
        ("http://[2606:2800:021f::0001]/", "2606:2800:21f::1", 80, "/"),
    ],
)
def test_a_usual_address_is_read_in_its_usual_form(url, host, port, path):
    target = fetch.check(url)
    assert (target.host, target.port, target.path) == (host, port, path)


@st.composite
def special_addresses(draw):
    """An address from a special block, as it is or wrapped in one of the ways that IPv6 knows."""
    network = ipaddress.ip_network(draw(st.sampled_from(SPECIAL)))
    address = network[draw(st.integers(0, network.num_addresses - 1))]
    if address.version == 6:
        return str(address)
    number = int(address)
    wrapped = {
        "plain": str(address),
        "mapped": str(ipaddress.IPv6Address((0xFFFF << 32) | number)),
        "compatible": str(ipaddress.IPv6Address(number)),
        "6to4": str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)),
        "nat64": str(ipaddress.IPv6Address((0x64FF9B << 96) | number)),
    }
    return wrapped[draw(st.sampled_from(sorted(wrapped)))]


@settings(max_examples=500)
@given(special_addresses())
def test_no_special_address_is_ever_public(address):
    assert not hosts.is_public(address)


@given(special_addresses(), st.lists(st.just(PUBLIC), max_size=3), st.integers(0, 3))
def test_no_special_address_is_ever_connected_to(address, others, place):
    addresses = [*others[:place], address, *others[place:]]
    network = fetch.Network(lambda host, port: addresses, lambda *to: pytest.fail(f"connected to {to}"))
    with pytest.raises(fetch.FetchRefused):
        fetch.get(fetch.FetchRequest(HOST), _network=network)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450::1", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_public_addresses_are_public(address):
    assert hosts.is_public(address)


def test_a_proxy_of_the_environment_is_not_asked(web, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    web.pages["/"] = lambda asked: asked.answer(200, FEED)
    assert web.get(HOST).body == FEED
    assert {"Authorization", "Proxy-Authorization", "Cookie"}.isdisjoint(web.hits[0].headers)


def test_gzip_is_unfolded_also_when_it_has_several_members(web):
    packed = gzip.compress(FEED, mtime=0) + gzip.compress(FEED, mtime=0)
    web.pages["/"] = lambda asked: asked.answer(200, packed, Content_Encoding="gzip")
    assert web.get(HOST).body == FEED + FEED
    assert web.hits[0].headers["Accept-Encoding"] == "gzip"


def test_a_gzip_bomb_is_refused_by_its_ratio_and_by_its_size(web):
    bombs = {"/small": gzip.compress(b"\0" * 2_000_000, mtime=0), "/large": gzip.compress(b"\0" * 50_000_000, mtime=0)}
    for path, bomb in bombs.items():
        web.pages[path] = lambda asked, bomb=bomb: asked.answer(200, bomb, Content_Encoding="gzip")
    with pytest.raises(fetch.FetchRefused, match="100 times"):
        web.get(f"{HOST}/small")
    with pytest.raises(fetch.FetchRefused, match="larger than 5000000 bytes"):
        web.get(f"{HOST}/large", max_ratio=10_000)


@pytest.mark.parametrize("headers", [b"Transfer-Encoding: chunked\r\n", b"", b"Content-Length: 99999999999\r\n"])
def test_an_endless_body_is_refused_at_the_limit(web, headers):
    piece = b"a" * 65_536
    chunk = b"10000\r\n" + piece + b"\r\n" if headers.startswith(b"Transfer") else piece

    def page(asked):
        asked.raw(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n")
        while not asked.web.closed.is_set():
            asked.raw(chunk)

    web.pages["/"] = page
    with within(5), pytest.raises(fetch.FetchRefused, match="larger than 1000000 bytes"):
        web.get(HOST, max_bytes=1_000_000)


def test_gzip_unfolds_no_further_than_asked_whatever_is_in_it():
    bomb = gzip.compress(b"\0" * 10_000_000, mtime=0)
    assert len(gunzip.Unfolding().unfold(bomb, 1_000)) == 1_001
    assert len(gunzip.Unfolding().unfold(gzip.compress(b"a" * 500, mtime=0) * 9, 1_000)) == 1_001


def test_a_body_of_just_the_limit_is_taken_and_one_byte_more_is_not(web):
    web.pages["/"] = lambda asked: asked.answer(200, b"a" * 100_000)
    assert len(web.get(HOST, max_bytes=100_000).body) == 100_000
    with pytest.raises(fetch.FetchRefused):
        web.get(HOST, max_bytes=99_999)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(FEED, mtime=0)[:-9],
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip at all",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        b"",
        b"SMTP ready\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
)
def test_a_damaged_answer_is_a_failure_and_no_half_feed(web, answer):
    web.pages["/"] = lambda asked: asked.raw(answer)
    with pytest.raises(fetch.FetchFailed):
        web.get(HOST)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "compress"])
def test_a_packing_that_was_not_asked_for_is_refused(web, encoding):
    web.pages["/"] = lambda asked: asked.answer(200, zlib.compress(FEED), Content_Encoding=encoding)
    with pytest.raises(fetch.FetchRefused, match="did not ask for"):
        web.get(HOST)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\n"] + [b"X: y\r\n"] * 80,
        [b"HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\n"] + [b"a"] * 80,
        [b"HTTP/1.1 200 OK\r\n\r\n"] + [b"a"] * 80,
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] + [b"1\r\na\r\n"] * 80,
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * 80,
        [b""] * 80,
    ],
)
def test_a_server_that_drips_is_cut_off_at_the_deadline(web, pieces):
    web.pages["/"] = lambda asked: asked.raw(*pieces, pause=0.1)
    with within(5), pytest.raises(fetch.FetchFailed, match="longer than 0.25 seconds"):
        web.get(HOST, total_s=0.25)


def test_the_deadline_is_for_all_redirects_together(web):
    def page(asked):
        asked.web.closed.wait(0.1)
        asked.answer(302, Location="/")

    web.pages["/"] = page
    with within(5), pytest.raises(fetch.FetchFailed, match="longer than"):
        web.get(HOST, total_s=0.25, max_redirects=50)


def test_a_resolver_that_hangs_costs_no_more_than_the_time_to_connect(web):
    hangs = fetch.Network(lambda host, port: web.closed.wait(20) and [], web.network().connect)
    with within(5), pytest.raises(fetch.FetchFailed, match="cannot be resolved"):
        fetch.get(fetch.FetchRequest(HOST), fetch.FetchLimits(connect_s=0.2), _network=hangs)


def test_a_name_that_does_not_exist_and_a_host_that_is_down_are_failures(web):
    def nobody(*_asked):
        raise socket.gaierror("no such name")

    def refused(*_asked):
        raise ConnectionRefusedError

    for network in (fetch.Network(nobody), fetch.Network(lambda host, port: [PUBLIC], refused)):
        with pytest.raises(fetch.FetchFailed):
            fetch.get(fetch.FetchRequest(HOST), _network=network)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "120"}, 120),
        ({"Retry_After": "9" * 5_000}, 86_400),
        ({"Retry_After": "Thu, 15 Feb 2024 07:00:00 GMT", "Date": "Thu, 15 Feb 2024 06:00:00 GMT"}, 3_600),
        ({"Retry_After": "Thu, 15 Feb 2024 07:00:00 GMT", "Date": "Thu, 15 Feb 2024 08:00:00 GMT"}, 0),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-5"}, None),
        ({}, None),
    ],
)
def test_an_error_of_the_server_is_an_answer_with_the_wait_it_asks_for(web, headers, seconds):
    def page(asked):
        asked.send_response_only(503)
        for name, value in headers.items():
            asked.send_header(name.replace("_", "-"), value)
        asked.end_headers()

    web.pages["/"] = page
    fetched = web.get(HOST)
    assert (fetched.status, fetched.body, fetched.retry_after) == (503, None, seconds)


@pytest.mark.parametrize("etag", ['"a\x0bb"', '"' + "a" * 2_000 + '"', '"\xe9"'])
def test_a_validator_that_cannot_be_sent_back_is_not_kept(web, etag):
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: " + etag.encode("latin-1") + b"\r\n\r\na"
    web.pages["/"] = lambda asked: asked.raw(raw)
    assert web.get(HOST).etag is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\nLocation: "]))
def test_whatever_a_server_says_it_is_an_answer_or_a_fetch_error(web, noise, start):
    web.pages["/"] = lambda asked: asked.raw(start + noise)
    with contextlib.suppress(fetch.FetchError):
        assert web.get(HOST, total_s=2).status


@pytest.fixture(scope="module")
def certified():
    """TLS for feeds.example.org: the server's context, the client's, and the names that clients asked for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "feeds.example.org")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("feeds.example.org")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate, certificate.decode()


@pytest.fixture
def tls_web(certified, tmp_path):
    chain = tmp_path / "server.pem"
    chain.write_bytes(certified[0])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    with serving(server) as served:
        served.trusted = ssl.create_default_context(cadata=certified[1])
        server.sni_callback = lambda sock, name, context: served.asked_for.append(name)
        served.pages["/"] = lambda asked: asked.answer(200, FEED)
        yield served


def test_in_tls_the_name_and_not_the_address_is_what_the_certificate_is_checked_for(tls_web):
    assert tls_web.get("https://feeds.example.org/").body == FEED
    assert tls_web.asked_for == ["feeds.example.org"]
    assert tls_web.connected == [(PUBLIC, 443)]
    with pytest.raises(fetch.UntrustedCertificate, match="its certificate does not fit: "):
        tls_web.get("https://other.example.org/")


def test_a_certificate_that_nobody_vouches_for_is_a_failure(tls_web):
    tls_web.trusted = None
    with pytest.raises(fetch.UntrustedCertificate, match="its certificate does not fit: "):
        tls_web.get("https://feeds.example.org/")


def test_a_tls_handshake_that_never_ends_is_cut_off_at_the_deadline():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = silent.getsockname()
        network = fetch.Network(lambda *_: [PUBLIC], lambda _a, _p, wait: socket.create_connection(address, wait))
        request, limits = fetch.FetchRequest("https://feeds.example.org/"), fetch.FetchLimits(total_s=0.3)
        with within(5), pytest.raises(fetch.FetchFailed, match="longer than"):
            fetch.get(request, limits, _network=network)


def test_a_drip_inside_tls_is_cut_off_too(tls_web):
    tls_web.pages["/"] = lambda asked: asked.raw(b"HTTP/1.1 200 OK\r\n\r\n", *[b"a"] * 80, pause=0.1)
    with within(5), pytest.raises(fetch.FetchFailed, match="longer than"):
        tls_web.get("https://feeds.example.org/", total_s=0.25)


def test_no_thread_stays_behind_a_fetch(web):
    web.pages["/"] = lambda asked: asked.answer(200, FEED)
    before = {thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)}
    web.get(HOST)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and thread not in before:
            thread.join(1)
            assert not thread.is_alive()
