"""Take pictures of pages with a real Chromium, and say what can be seen to be wrong without looking."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.screenshots.shots import Look
from tools import programs

_BOXES = """() => {
    const SIDE = 40;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE;
    const pen = canvas.getContext("2d", {willReadFrequently: true});
    const drawn = (font, sign) => {
        pen.clearRect(0, 0, SIDE, SIDE);
        pen.font = font;
        pen.fillText(sign, 6, 28);
        return pen.getImageData(0, 0, SIDE, SIDE).data.join();
    };
    const boxes = {}, known = {}, missing = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (/^(SCRIPT|STYLE|TITLE)$/.test(element.tagName)) continue;
        const {fontFamily, fontWeight} = getComputedStyle(element);
        const font = `${fontWeight} 20px ${fontFamily}`;
        // No font has what Unicode never gives a sign: so looks what has none.
        boxes[font] ??= drawn(font, "\\u{10FFFE}");
        for (const sign of walker.currentNode.data) {
            if (!/[\\p{L}\\p{N}\\p{P}]/u.test(sign)) continue;
            if ((known[font + sign] ??= drawn(font, sign)) == boxes[font]) missing.add(sign);
        }
    }
    return [...missing].join("");
}"""
"""Which letters of a page have no picture in any font here, and are shown as boxes."""
_WIDER = """() => {
    const most = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= most) return "";
    const sticksOut = one => {
        const {left, right} = one.getBoundingClientRect();
        return right > most + 1 || left < -1 || one.clientWidth && one.scrollWidth > one.clientWidth + 1;
    };
    const wide = [...document.body.querySelectorAll("*")].filter(sticksOut);
    return wide.length ? `<${wide.at(-1).localName} class="${wide.at(-1).className}">` : "something";
}"""
_SHEET = re.compile(rb"/Type\s*/Page\b")
_A4 = re.compile(rb"/MediaBox\s*\[0 0 (\d+)\.?\d* (\d+)\.?\d*\]")
_A4_POINTS = (594, 595), (841, 842)
"""How wide and how high a sheet of A4 is: 210 mm and 297 mm, in points, as browsers round it."""


@dataclass
class Camera:
    """Takes pictures into a folder; `faults` are sentences, by the name of the picture."""

    browser: Browser
    folder: Path
    faults: list[str] = field(default_factory=list)

    def take(self, name: str, address: str, look: Look, *, beginning: Path | None = None) -> Path:
        """Take one picture of a page in a new profile; return its file. `beginning` gets the first screen alone.

        Raises playwright's Error for a page that cannot be opened.
        """
        context = self.browser.new_context(
            viewport={"width": look.width, "height": look.height},
            device_scale_factor=look.scale,
            is_mobile=look.width < 600,
            has_touch=look.width < 600,
            color_scheme="dark" if look.dark else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(20_000)
        page = context.new_page()
        if not look.pictures:
            page.route("**/*", lambda route: route.abort() if _is_picture(route) else route.continue_())
        page.on("pageerror", lambda error: self.faults.append(f"{name}: {error}"))
        page.on("console", lambda said: self._heard(name, said.type, said.text))
        answer = page.goto(address, wait_until="networkidle")
        if answer is None or answer.status not in (200, 410):
            self.faults.append(f"{name}: {address} answered {answer and answer.status}")
        _bring_in(page)
        file = self._sheet(name, page, look) if look.paper else self._screen(name, page)
        if beginning is not None:
            page.screenshot(path=beginning)
        context.close()
        return file

    def _screen(self, name: str, page: Page) -> Path:
        if boxes := page.evaluate(_BOXES):
            cure = f"Install fonts (Debian: apt-get install -y {programs.LETTERS})"
            self.faults.append(f"{name}: no font has {boxes[:20]}, so there are boxes. {cure}")
        if wider := page.evaluate(_WIDER):
            self.faults.append(f"{name}: {wider} is wider than the screen")
        file = self.folder / f"{name}.png"
        page.screenshot(path=file, full_page=True)
        return file

    def _sheet(self, name: str, page: Page, look: Look) -> Path:
        file = self.folder / f"{name}.pdf"
        page.pdf(path=file, format="A4")
        printed = file.read_bytes()
        count = sheets(printed)
        if count == 0 or (look.one_page and count > 1):
            self.faults.append(f"{name}: it takes {count} sheets")
        if not all(is_a4(width, height) for width, height in _A4.findall(printed)):
            self.faults.append(f"{name}: a sheet is not A4")
        return file

    def _heard(self, name: str, kind: str, text: str) -> None:
        """Keep what the browser complains of; pictures that were not to be fetched are none of it."""
        if kind == "error" and "ERR_FAILED" not in text and "status of 410" not in text:
            self.faults.append(f"{name}: the browser said {text[:160]}")


def sheets(printed: bytes) -> int:
    """Return how many pages a PDF has."""
    return len(_SHEET.findall(printed))


def is_a4(width: bytes, height: bytes) -> bool:
    """Say whether these points are a sheet of A4."""
    return all(int(is_long) in may_be for is_long, may_be in zip((width, height), _A4_POINTS, strict=True))


def _is_picture(route: object) -> bool:
    return getattr(route, "request").resource_type == "image"  # noqa: B009


def _bring_in(page: Page) -> None:
    """Have pictures come that wait until somebody scrolls to them."""
    page.evaluate(
        """async () => {
            const late = [...document.images].filter(one => !one.complete);
            for (const one of late) one.loading = "eager";
            await Promise.allSettled(late.map(one => one.decode()));
        }"""
    )
