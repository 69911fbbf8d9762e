"""A real browser looks at the inbox: mails stay dumb, links work, everyone can read the page."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page

from inbox.service import Inbox
from tests.inbox.mails import BOUNCES, NOW, READER, SCRIPTED, mail

SITE_PAGE = b"<!doctype html><title>quiet</title><script>document.title = 'site'</script>"


class Site(BaseHTTPRequestHandler):
    """The publication's site, as far as a click needs it: a page whose script shows that scripts run."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(SITE_PAGE)))
        self.end_headers()
        self.wfile.write(SITE_PAGE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def tab(new_page: Callable[..., Page]) -> Page:
    return new_page()


@pytest.fixture
def scripted(inbox: Inbox, site: str) -> str:
    """The address of a mail that tries to act."""
    source = mail(html=SCRIPTED.replace("SITE", site))
    return f"{inbox.url}m/{inbox.mailbox.store(BOUNCES, [READER], source, now=NOW)}"


def test_a_mail_in_its_frame_runs_no_script_and_its_links_open_the_site_in_a_new_tab(tab, scripted, site):
    tab.goto(scripted)
    frame = tab.frame_locator("iframe")
    with tab.context.expect_page() as opened:
        frame.get_by_text("A harbour opens").click()
    opened.value.wait_for_url(f"{site}/story")
    # The site's own page is not in the mail's sandbox.
    opened.value.wait_for_function("document.title == 'site'")
    assert tab.url == scripted
    frame.locator("#trick").click()
    tab.wait_for_timeout(200)
    assert frame.get_by_text("A harbour opens").is_visible()
    assert all("ran" not in (page.title(), page.inner_text("body")) for page in tab.context.pages)


def test_a_mail_in_a_tab_of_its_own_runs_no_script_and_sends_no_form(tab, scripted):
    tab.goto(scripted)
    with tab.context.expect_page() as opened:
        tab.get_by_text("Open in a new tab").click()
    alone = opened.value
    alone.wait_for_url(f"{scripted}/html")
    assert alone.title() == "Asia Daily"
    alone.get_by_text("Send").click()
    alone.locator("#trick").click()
    alone.wait_for_timeout(200)
    assert alone.url == f"{scripted}/html"
    assert alone.get_by_text("A harbour opens").is_visible()


def test_the_button_empties_the_inbox(tab, scripted, inbox):
    tab.goto(inbox.url)
    tab.get_by_text("Empty the inbox…").click()
    tab.get_by_role("button", name="Delete all mails").click()
    tab.get_by_text("No mail has arrived yet").wait_for()
    assert inbox.mailbox.newest() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_phone(new_page, assert_accessible, inbox, scripted, scheme):
    long = mail("أخبار " + "longword" * 20, to=f"{'long' * 15}@readers.example")
    key = inbox.mailbox.store(BOUNCES, [f"{'long' * 15}@readers.example"], long, now=NOW)
    tab = new_page(color_scheme=scheme, viewport={"width": 320, "height": 640})
    addresses = [inbox.url, f"{inbox.url}?q=nothing", f"{inbox.url}gone", scripted]
    addresses += [f"{inbox.url}m/{key}?view={view}" for view in ("text", "headers", "source")]
    for address in addresses:
        tab.goto(address)
        assert_accessible(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 320, address
