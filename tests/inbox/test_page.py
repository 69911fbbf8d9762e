"""The page shows what arrived, and lets nothing that arrived act."""

import re
from datetime import timedelta

import pytest

from inbox.page import create_inbox_app
from tests.inbox.mails import BOUNCES, NOW, READER, SCRIPTED, mail


def store(mailbox, source, *, to=READER, now=NOW):
    return mailbox.store(BOUNCES, [to], source, now=now)


def test_an_empty_inbox_says_what_to_do_next(web):
    text = web.get("/").text
    assert "No mail has arrived yet" in text
    assert 'href="http://127.0.0.1:8000/"' in text


def test_the_list_shows_sender_recipient_subject_and_time_newest_first(web, mailbox):
    store(mailbox, mail("Older"))
    store(mailbox, mail("Newer <b>"), now=NOW + timedelta(seconds=1))
    text = web.get("/").text
    assert text.index("Newer &lt;b&gt;") < text.index("Older")
    assert "Asia Daily &lt;daily@news.example&gt;" in text
    assert READER in text
    assert '<time datetime="2026-11-23T14:40:07.123Z">2026-11-23 14:40:07 UTC</time>' in text


def test_the_list_has_fifty_a_page(web, mailbox):
    for number in range(120):
        store(mailbox, mail(f"Number {number};"))
    first, third = web.get("/").text, web.get("/?page=3").text
    assert first.count("<li>") == 50
    assert "Number 119;" in first
    assert third.count("<li>") == 20
    assert "Number 0;" in third
    assert 'rel="next"' in first
    assert 'rel="next"' not in third
    assert "no mails this far back" in web.get("/?page=9").text


@pytest.mark.parametrize("number", ["0", "-1", "x", "99999999999999999999"])
def test_a_senseless_page_number_is_no_error(web, mailbox, number):
    store(mailbox, mail())
    assert web.get(f"/?page={number}").status_code == 200


@pytest.mark.parametrize(("query", "found"), [("KIM@", True), ("harb", True), ("ميناء", True), ("news.example", False)])
def test_search_finds_a_part_of_recipient_or_subject(web, mailbox, query, found):
    store(mailbox, mail("Harbour ميناء"))
    store(mailbox, mail("Else"), to="lee@readers.example")
    text = web.get("/", query_string={"q": query}).text
    assert ("1 mail found" in text) is found
    assert "Else" not in text


def test_a_query_is_shown_as_text(web):
    text = web.get("/", query_string={"q": '"><script>x'}).text
    assert "<script" not in text


def test_an_arabic_subject_stands_in_its_own_direction(web, mailbox):
    key = store(mailbox, mail("أخبار آسيا"))
    assert "<bdi>أخبار آسيا</bdi>" in web.get("/").text
    assert "<bdi>أخبار آسيا</bdi>" in web.get(f"/m/{key}").text


def test_a_huge_subject_does_not_swell_the_list(web, mailbox):
    store(mailbox, b"Subject: " + b"huge " * 100_000 + b"\r\n\r\n")
    response = web.get("/")
    assert response.status_code == 200
    assert len(response.data) < 5_000


def test_a_mail_opens_on_its_html_in_a_frame_without_scripts(web, mailbox):
    key = store(mailbox, mail(html=SCRIPTED))
    text = web.get(f"/m/{key}").text
    frame = re.search(r"<iframe[^>]*>", text)
    assert frame is not None
    assert f'src="/m/{key}/html"' in frame[0]
    sandbox = re.search(r'sandbox="([^"]*)"', frame[0])
    assert sandbox is not None
    assert set(sandbox[1].split()) == {
        "allow-popups",
        "allow-popups-to-escape-sandbox",
        "allow-top-navigation-by-user-activation",
    }


def test_the_html_of_a_mail_is_served_under_a_policy_that_runs_no_script(web, mailbox):
    key = store(mailbox, mail(html=SCRIPTED))
    response = web.get(f"/m/{key}/html")
    policy = policy_of(response)
    assert policy["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert policy["default-src"] == "'none'"
    assert "script-src" not in policy
    assert policy["img-src"] == "https: data: http://127.0.0.1:8000"
    assert policy["style-src"] == "'unsafe-inline'"
    assert policy["form-action"] == policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == "'self'"
    assert '<base target="_blank">' in response.text


@pytest.mark.parametrize("path", ["/m/{}/source", "/api/messages/{}"])
def test_the_source_is_the_original_bytes_and_never_a_page(web, mailbox, path):
    source = b"Content-Type: text/html\r\n\r\n<script>x</script>\xff"
    response = web.get(path.format(store(mailbox, source)))
    assert response.data == source
    assert response.mimetype in ("text/plain", "message/rfc822")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert policy_of(response)["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert policy_of(response)["frame-ancestors"] == "'none'"


def test_all_pages_are_fenced_and_none_has_a_script_or_style_of_its_own(web, mailbox):
    key = store(mailbox, mail(html=SCRIPTED))
    paths = [
        "/",
        "/?q=x",
        "/gone",
        "/m/x",
        *(f"/m/{key}?view={view}" for view in ("html", "text", "headers", "source")),
    ]
    for path in paths:
        response = web.get(path)
        assert response.headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; frame-src 'self'; img-src 'self'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script|<style|<[^>]*\s(style|on\w+)=", response.text), path


def test_a_text_mail_opens_on_its_text_with_links_to_click(web, mailbox):
    key = store(mailbox, mail(text="Confirm: <http://localhost:8000/t/abc>\n<script>x</script>\n"))
    text = web.get(f"/m/{key}").text
    assert "<iframe" not in text
    assert re.search(r'<a href="http://localhost:8000/t/abc"[^>]*target="_blank"', text)
    assert "&lt;script&gt;" in text
    assert web.get(f"/m/{key}/html").status_code == 404


def test_the_headers_view_shows_every_field_in_order_and_the_envelope(web, mailbox):
    key = store(mailbox, b"Received: one\r\nReceived: two\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n\r\n")
    text = web.get(f"/m/{key}?view=headers").text.partition("Parts of this mail")[2]
    where = [text.index(word) for word in ("MAIL FROM", BOUNCES, "RCPT TO", 'auto">one', 'auto">two', 'auto">Café')]
    assert where == sorted(where)


def test_a_huge_source_is_cut_in_the_page_and_whole_behind_its_link(web, mailbox):
    source = b"X: y\r\n\r\n" + b"word \r\n" * 200_000
    key = store(mailbox, source)
    assert "This is the beginning" in web.get(f"/m/{key}?view=source").text
    assert "goes on in the source" in web.get(f"/m/{key}?view=text").text
    assert len(web.get(f"/m/{key}/source").data) == len(source)


@pytest.mark.parametrize("view", ["", "html", "text", "headers", "source", "else"])
@pytest.mark.parametrize("source", [b"", b"no header", b"Subject: \xff\x00\r\nFrom:\r\n\r\n\x00\xff"])
def test_a_broken_mail_can_be_looked_at_in_every_view(web, mailbox, source, view):
    key = store(mailbox, source)
    assert web.get(f"/m/{key}?view={view}").status_code == 200
    assert web.get("/").status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:8025", "LOCALHOST:1"])
def test_the_names_of_this_machine_are_answered(web, host):
    assert web.get("/", headers={"Host": host}).status_code == 200


HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example:8025",
    "",
    "localhost:x",
    "127.0.0.10",
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/", "/api/messages", "/static/inbox.css", "/gone"])
def test_a_foreign_host_name_is_refused_with_a_clear_400(web, mailbox, host, path):
    store(mailbox, mail("Secret"))
    response = web.get(path, headers={"Host": host})
    assert response.status_code == 400
    assert "localhost and 127.0.0.1" in response.text
    assert "Secret" not in response.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8000"},
    ],
)
def test_another_site_cannot_empty_the_inbox(web, mailbox, headers):
    store(mailbox, mail())
    assert web.post("/clear", headers=headers).status_code == 403
    assert len(mailbox.newest()) == 1


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {"Origin": "http://localhost"}]
)
def test_our_own_button_and_scripts_empty_the_inbox(web, mailbox, headers):
    store(mailbox, mail())
    response = web.post("/clear", headers=headers)
    assert (response.status_code, response.location) == (303, "/")
    assert mailbox.newest() == []


def test_emptying_keeps_what_arrived_after_the_page_was_drawn(web, mailbox):
    store(mailbox, mail())
    through = re.search(r'name="through" value="([^"]+)"', web.get("/").text)
    assert through is not None
    late = store(mailbox, mail("Late"))
    web.post("/clear", data={"through": through[1]})
    assert mailbox.newest() == [late]


def test_looking_at_clear_changes_nothing(web, mailbox):
    store(mailbox, mail())
    assert web.get("/clear").status_code == 405
    assert len(mailbox.newest()) == 1


@pytest.mark.parametrize("path", ["/m/{}", "/m/{}/html", "/m/{}/source"])
@pytest.mark.parametrize("key", ["20261123T144007123456-abcdef", "..", "%2e%2e%2fsecret", "..%2f..%2fetc%2fpasswd"])
def test_a_missing_or_made_up_key_is_a_page_with_one_sentence(web, tmp_path, path, key):
    (tmp_path / "secret.eml").write_bytes(b"secret")
    response = web.get(path.format(key))
    assert response.status_code == 404
    assert "secret" not in response.text
    assert re.search(r"<p>[^<]+\.</p>", response.text)


def test_a_script_gets_the_list_as_json(web, mailbox):
    older = store(mailbox, mail("Older"))
    newer = store(mailbox, mail("أخبار"), to="lee@readers.example", now=NOW + timedelta(seconds=1))
    response = web.get("/api/messages")
    assert response.headers["X-Total-Count"] == "2"
    assert keys_of(response) == [newer, older]
    assert response.json[0] == {
        "key": newer,
        "from": "Asia Daily <daily@news.example>",
        "to": ["lee@readers.example"],
        "subject": "أخبار",
        "received_at": "2026-11-23T14:40:08.123Z",
        "message_id": "<1@news.example>",
        "envelope_from": BOUNCES,
    }
    assert keys_of(web.get("/api/messages?limit=1&offset=1")) == [older]
    assert keys_of(web.get("/api/messages?q=lee")) == [newer]


def test_a_script_hears_of_a_missing_mail_as_json(web):
    response = web.get("/api/messages/20261123T144007123456-abcdef")
    assert response.status_code == 404
    assert response.json == {"error": "This mail is not in the inbox. It may have been cleared away."}


def test_a_mail_cleared_while_the_list_is_made_is_left_out(mailbox, monkeypatch):
    key = store(mailbox, mail())
    monkeypatch.setattr(mailbox, "newest", lambda: ["20261123T144007999999-abcdef", key])
    web = create_inbox_app(mailbox, site_url="").test_client()
    assert keys_of(web.get("/api/messages")) == [key]


def test_a_list_of_20000_mails_opens_no_more_than_a_page_of_them(web, mailbox, monkeypatch):
    keys = [f"20261123T{number:012d}-abcdef" for number in range(20_000, 0, -1)]
    key = store(mailbox, mail("One of many"))
    one = mailbox.head(key)
    opened: list[str] = []

    def head(key):
        opened.append(key)
        return one

    monkeypatch.setattr(mailbox, "newest", lambda: keys)
    monkeypatch.setattr(mailbox, "head", head)
    assert "20000 mails" in web.get("/?page=200").text
    assert opened == keys[9950:10000]


def keys_of(response):
    return [entry["key"] for entry in response.get_json()]


def policy_of(response):
    parts = (part.strip().partition(" ") for part in response.headers["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}
