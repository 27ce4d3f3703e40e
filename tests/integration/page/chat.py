"""What a person does at the page, and sees there."""

import re
from typing import Final

from playwright.sync_api import Locator, Page, expect

MINDS: Final = ("sage", "maker", "muse")
WITHIN_MS: Final = 20_000

expect.set_options(timeout=WITHIN_MS)


class Chat:
    """The page of one browser."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: object) -> None:
        text = str(getattr(message, "text", message))
        if "Content Security Policy" in text or "TrustedHTML" in text:
            self.errors.append(text)

    def sign_in(self, key: str) -> "Chat":
        """Open the page and sign in by a key."""
        self.page.goto(self.url)
        self.page.get_by_label("API key").fill(key)
        self.page.keyboard.press("Enter")
        expect(self.message).to_be_visible()
        return self

    @property
    def message(self) -> Locator:
        """Where a message is written."""
        return self.page.get_by_label("Message", exact=True)

    @property
    def answers(self) -> Locator:
        """All answers, and those that are on their way."""
        return self.page.locator('.pane [data-role="assistant"]')

    def pane(self, mind: str) -> Locator:
        """A mind's pane."""
        return self.page.locator(f"#pane-{mind}")

    def answer(self, mind: str) -> Locator:
        """A mind's latest answer."""
        return self.pane(mind).locator('[data-role="assistant"]').last

    def send(self, message: str, to: str | None = None) -> None:
        """Send a message to all minds, or to one."""
        name = to.capitalize() if to else re.compile("^All")
        self.page.get_by_role("radio", name=name).check(force=True)
        self.message.fill(message)
        self.message.press("Enter")
        expect(self.message).to_have_value("")

    def button(self, name: str, within: Locator | None = None) -> Locator:
        """A button by its name."""
        return (within or self.page).get_by_role("button", name=name, exact=True)

    def expect_done(self, *minds: str) -> None:
        """Wait until the latest answers of these minds, by default of all, are complete."""
        for mind in minds or MINDS:
            expect(self.answer(mind)).to_have_attribute("data-status", "completed")
