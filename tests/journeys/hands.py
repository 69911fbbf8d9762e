"""A person at a page, by finger or by the keys alone: both press, tick and type by what things are called."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from playwright.sync_api import Page, expect

FOCUSED = """(e => ((e.getAttribute('aria-label') || (e.labels && e.labels[0] || e).textContent).trim())
    + '|' + e.tagName)(document.activeElement)"""
MOST_STEPS = 120


class Hand(Protocol):
    """What a person does; names are those that are read out."""

    page: Page

    def press(self, name: str) -> None:
        """Press a link or a button of this name, which leads to another page."""

    def tick(self, name: str) -> None:
        """Tick a box."""

    def type(self, name: str, text: str) -> None:
        """Type into a field."""


@dataclass
class Finger:
    """By touch or mouse. What is folded away must be unfolded first."""

    page: Page

    def press(self, name: str) -> None:
        """Press a link or a button of this name, which leads to another page."""
        main = self.page.get_by_role("main")
        main.get_by_role("button", name=name, exact=True).or_(main.get_by_role("link", name=name, exact=True)).click()

    def tick(self, name: str) -> None:
        """Tick a box."""
        self.page.get_by_role("checkbox", name=name).check()

    def type(self, name: str, text: str) -> None:
        """Type into a field."""
        self.page.get_by_role("textbox", name=name).fill(text)


@dataclass
class Keys:
    """By the keyboard alone: Tab until the focus is there."""

    page: Page

    def press(self, name: str) -> None:
        """Press a link or a button of this name, which leads to another page."""
        self._reach(lambda focused, tag: focused == name and tag in ("A", "BUTTON"), name)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def tick(self, name: str) -> None:
        """Tick a box."""
        self._reach(lambda focused, tag: focused.startswith(name) and tag == "INPUT", name)
        if not self.page.evaluate("document.activeElement.checked"):
            self.page.keyboard.press("Space")

    def type(self, name: str, text: str) -> None:
        """Type into a field."""
        self._reach(lambda focused, tag: focused.startswith(name) and tag == "INPUT", name)
        self.page.keyboard.type(text)

    def _reach(self, is_there: Callable[[str, str], bool], name: str) -> None:
        for _step in range(MOST_STEPS):
            self.page.keyboard.press("Tab")
            focused, _bar, tag = self.page.evaluate(FOCUSED).rpartition("|")
            if is_there(focused, tag):
                # Whoever cannot point must see where they are.
                expect(self.page.locator(":focus")).to_be_visible()
                return
        raise AssertionError(f"“{name}” cannot be reached by keyboard")
