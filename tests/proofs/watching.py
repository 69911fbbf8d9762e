"""A real Chromium that opens pages and says what ran on them; and a server on which nothing is kept from running."""

import http.server
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, sync_playwright

from tests.conftest import BROWSER_OPTIONS
from tools import programs

FRESH_AFTER = 150
"""Pages until the browser gets a new profile."""
LOOK = """strict => {
    const found = [];
    const said = element => `<${element.localName}>`;
    if (window.owned !== undefined) found.push("a property of the window was set");
    // Feeds and sitemaps are shown by the browser in a page of its own making.
    if (document.contentType != "text/html") return found;
    const schemes = ["http:", "https:", "mailto:"];
    const leading = ["href", "src", "action", "formaction", "xlink:href", "data", "poster", "background", "ping"];
    const never = ["OBJECT", "EMBED", "APPLET", "FRAMESET", "PORTAL", "FENCEDFRAME", "PLAINTEXT"];
    const ours = element => element.src && element.src.startsWith(location.origin + "/static/");
    for (const element of document.querySelectorAll("*")) {
        for (const {name, value} of element.attributes) {
            if (/^on/i.test(name)) found.push(`${said(element)} has ${name}`);
            if (strict && name == "style") found.push(`${said(element)} has a style`);
            if (!leading.includes(name)) continue;
            try {
                const scheme = new URL(value, document.baseURI).protocol;
                if (!schemes.includes(scheme)) found.push(`${said(element)} leads to ${scheme}`);
            } catch { /* leads nowhere */ }
        }
        if (never.includes(element.tagName.toUpperCase())) found.push(`there is ${said(element)}`);
        if (element.tagName == "BASE" && (strict || element.hasAttribute("href"))) found.push("there is a <base>");
        if (element.tagName == "IFRAME" && (strict || element.srcdoc || !element.src.startsWith(location.origin)))
            found.push("there is an <iframe>");
        if (element.namespaceURI != "http://www.w3.org/1999/xhtml") found.push(`${said(element)} is foreign`);
        if (element.tagName == "SCRIPT" && element.type != "application/ld+json" && !ours(element))
            found.push("there is a script");
        if (element.tagName == "META" && element.httpEquiv && !/^content-type$/i.test(element.httpEquiv))
            found.push(`there is a meta ${element.httpEquiv}`);
    }
    const mayStand = ["href", "rel", "src", "alt", "width", "height", "class", "lang", "dir"];
    mayStand.push("loading", "decoding");
    for (const element of document.querySelectorAll(".body *"))
        for (const {name, value} of element.attributes) {
            const isPlace = element.tagName == "FIGURE" && name == "data-picture" && /^[0-9]+$/.test(value);
            if (!isPlace && !mayStand.includes(name)) found.push(`${said(element)} in a story has ${name}`);
        }
    return found;
}"""
"""What must not be on a page, whether or not it was seen to run. `strict`: no mail and no inbox, which shows it in a
frame: mails bring their styles along.
"""
AGAIN = "() => { for (let n = 0; n < 3; n++) document.body.innerHTML = document.body.innerHTML; }"
"""Read the page's own words of itself again: what changes its meaning then was dormant."""


VIEWER = "Applying inline style violates"
"""What Chromium's own viewer of XML has to say of itself under our policy."""


@dataclass
class Canary:
    """A server that must not hear a call, beside pages without any policy that it shows."""

    port: int
    pages: dict[str, bytes] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    @property
    def at(self) -> str:
        """Return the address that must not be called."""
        return f"http://127.0.0.1:{self.port}/canary"

    def show(self, name: str, text: str) -> str:
        """Show HTML without a policy; return its address."""
        self.pages[f"/{name}"] = text.encode("utf-8", "replace")
        return f"http://127.0.0.1:{self.port}/{name}"


@contextmanager
def canary() -> Iterator[Canary]:
    """Open the server."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/canary"):
                made.calls.append(self.path)
            body = made.pages.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        made = Canary(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield made
        server.shutdown()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Open the browser. Raises RuntimeError, with the cure, when there is none."""
    path = programs.find(programs.BROWSER)
    if path is None:
        raise RuntimeError(programs.BROWSER.cure)
    options = [*BROWSER_OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=options)
        yield opened
        opened.close()


class Watcher:
    """Opens one page after the other, and keeps what must not be: by what it belongs to."""

    def __init__(self, browser: Browser, listening: Canary) -> None:
        self._browser, self._canary = browser, listening
        self._context: BrowserContext | None = None
        self._opened = 0
        self._about = ""
        self._said: list[str] = []
        self.findings: dict[str, list[str]] = {}
        self.visits = 0

    def visit(
        self,
        address: str,
        about: str,
        *,
        mail: bool = False,
        again: bool = False,
        typed: Mapping[str, str] | None = None,
    ) -> None:
        """Open a page that has something of `about` on it; with `typed`, type that into its form and send it."""
        self._about = about
        calls, is_xml = len(self._canary.calls), False
        self._said.clear()
        for is_last in (False, True):
            try:
                is_xml = self._open(address, mail=mail, again=again, typed=typed)
                break
            except Error as error:
                if "Download is starting" in error.message or "ERR_ABORTED" in error.message:
                    break
                # What the page before it still did may have come between: once more, in a new profile.
                self.close()
                if is_last:
                    self.note(f"the page could not be looked at: {error.message[:120]}")
        for called in self._canary.calls[calls:]:
            self.note(f"the canary was called: {called}")
        for text in self._said:
            is_viewer = is_xml and text.startswith(VIEWER)
            if not is_viewer and ("Content Security Policy" in text or "Content-Security-Policy" in text):
                self.note(f"the policy had to step in: {text[:110]}")
        self.visits += 1

    def _open(self, address: str, *, mail: bool, again: bool, typed: Mapping[str, str] | None) -> bool:
        """Open a page and look at it; return whether it was XML, for which the browser makes a page of its own."""
        page = self._page()
        answer = page.goto(address, wait_until="load")
        if typed is not None:
            self._send(page, typed)
        if again:
            page.evaluate(AGAIN)
            page.wait_for_timeout(5)
        for what in page.evaluate(LOOK, not mail):
            self.note(what)
        is_there = page.url.partition("#")[0] == address.partition("#")[0]
        if typed is None and not is_there and not self._ours(address, page.url):
            self.note(f"the browser was led to {page.url[:80]}")
        return answer is not None and "xml" in answer.headers.get("content-type", "")

    def _ours(self, asked: str, led: str) -> bool:
        """Say whether the site itself led elsewhere on the site, as from a wrong slug to the right one."""
        return asked.split("/")[2] == led.split("/")[2] and "/canary" not in led

    def _send(self, page: Any, typed: Mapping[str, str]) -> None:
        page.evaluate(
            """typed => {
                const form = document.querySelector("main form[method=post]");
                form.noValidate = true;
                for (const [name, text] of Object.entries(typed)) {
                    let field = form.elements.namedItem(name);
                    if (!field || !("value" in field)) {
                        field = form.appendChild(document.createElement("input"));
                        field.name = name;
                    }
                    field.value = text;
                }
            }""",
            dict(typed),
        )
        with page.expect_navigation(wait_until="load"):
            page.evaluate("HTMLFormElement.prototype.submit.call(document.querySelector('main form[method=post]'))")

    def note(self, what: str) -> None:
        """Keep a finding."""
        found = self.findings.setdefault(self._about, [])
        if what not in found:
            found.append(what)

    def _page(self) -> Any:
        if self._context is None or self._opened >= FRESH_AFTER or not self._context.pages:
            self.close()
            self._context = self._browser.new_context(accept_downloads=False)
            self._context.set_default_timeout(15_000)
            page = self._context.new_page()
            page.on("dialog", self._dialog)
            page.on("console", lambda said: self._said.append(said.text))
            page.on("popup", lambda _page: self.note("a window was opened"))
            page.on("download", lambda _download: None)
            self._opened = 0
        self._opened += 1
        return self._context.pages[0]

    def _dialog(self, dialog: Any) -> None:
        self.note(f"there was a dialog ({dialog.type})")
        with suppress(Error):  # Its page may have been left already.
            dialog.dismiss()

    def close(self) -> None:
        """Close the profile."""
        if self._context is not None:
            self._context.close()
            self._context = None
