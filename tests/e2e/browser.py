"""The chat page in a real browser, in the words of who uses it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.e2e.client import NO_TLS

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page

    from tests.e2e.server import Service

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
MISSING = "NO CHROMIUM: NOTHING IS TESTED IN A BROWSER. On Debian and Ubuntu: apt-get install chromium"
PATIENCE_MS = 40_000
"""How long something that must appear may take on a busy machine; it is a second at most where it has time."""

_LOST = re.compile(r"net::ERR_|WebSocket connection to")
"""What the browser itself writes about a service that is not there; the page can't keep it from doing so."""


def find_chromium(config: pytest.Config) -> str:
    """Find the browser that the system has; without one the tests are left out aloud, but never in CI."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail("What runs in a browser needs Chromium, and in CI it must run: apt-get install chromium")
    _say_aloud(config)
    pytest.skip(MISSING)


def _say_aloud(config: pytest.Config) -> None:
    """Write a line where everybody sees it: pytest only counts what is skipped."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if terminal is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(MISSING, red=True, bold=True)


@contextlib.contextmanager
def open_browser(config: pytest.Config) -> Generator[Browser]:
    """Run a browser without a window."""
    path = find_chromium(config)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        with contextlib.closing(browser):
            yield browser


@dataclass
class Tabs:
    """The tabs of one browser, which share its storage; ``complaints`` is what the browser had to say about them."""

    context: BrowserContext
    base_url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, user: str) -> Tab:
        """Open a tab as a user and wait until it is live."""
        tab = Tab(self.open_page(), user)
        tab.load(self.base_url)
        tab.expect_live()
        return tab

    def open_page(self) -> Page:
        """Open an empty tab."""
        page = self.context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        return page

    def drop_complaint(self, part: str) -> None:
        """Take out the one complaint that the test has provoked: the browser writes down every refusal."""
        provoked = [text for text in self.complaints if part in text]
        assert len(provoked) == 1, self.complaints
        self.complaints.remove(provoked[0])

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _LOST.search(message.text):
            self.complaints.append(message.text)


@dataclass
class Tab:
    """One user's page."""

    page: Page
    user: str

    @property
    def messages(self) -> Locator:
        return self.page.locator("#messages .message")

    @property
    def conversations(self) -> Locator:
        return self.page.locator("#conversations button")

    @property
    def field(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    @property
    def people(self) -> Locator:
        return self.page.get_by_role("complementary", name="People")

    def turn_to(self) -> Self:
        """Bring the tab to the front, as one does before using it; the browser draws the others once a second."""
        self.page.bring_to_front()
        return self

    def load(self, base_url: str) -> None:
        self.page.goto(f"{base_url}/?user={quote(self.user)}")

    def expect_live(self) -> None:
        expect(self.page.locator("#connection")).to_have_text("Live")

    def message(self, text: str) -> Locator:
        """Find the messages that hold a text."""
        return self.messages.filter(has_text=text)

    def conversation(self, title: str) -> Locator:
        return self.conversations.filter(has=self.page.get_by_text(title, exact=True))

    def unread(self, title: str) -> Locator:
        return self.conversation(title).locator(".unread-count")

    def create(self, title: str, *others: str) -> None:
        """Create a group."""
        self.turn_to()
        self.page.get_by_role("button", name="New conversation").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("Title").fill(title)
        for name in others:
            dialog.get_by_role("textbox", name="People").fill(name)
            dialog.get_by_role("textbox", name="People").press("Enter")
        dialog.get_by_role("button", name="Create").click()
        expect(self.page.locator("#title")).to_have_text(title)

    def open_conversation(self, title: str) -> None:
        self.turn_to().conversation(title).click()
        expect(self.page.locator("#title")).to_have_text(title)
        expect(self.field.or_(self.page.locator("#title")).and_(self.page.locator(":focus"))).to_be_visible()

    def send(self, text: str) -> None:
        """Type a message and press Enter; it may be on its way for a while."""
        self.field.fill(text)
        self.field.press("Enter")
        expect(self.field).to_have_value("")

    def act(self, text: str, action: str) -> None:
        """Do something with a message: Reply, Edit or Delete."""
        message = self.turn_to().message(text)
        message.hover()
        message.get_by_role("button", name=action).click()

    def confirm(self, answer: str) -> None:
        self.turn_to().page.get_by_role("dialog").get_by_role("button", name=answer).click()

    def show_people(self) -> None:
        self.turn_to().page.get_by_role("button", name="People", exact=True).click()
        expect(self.people).to_be_visible()

    def texts(self) -> list[str]:
        """Read the bodies of all messages, from the top down."""
        return self.page.locator("#messages .body").all_inner_texts()

    def picture(self, path: Path) -> None:
        """Take a screenshot, once nothing moves any more."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, animations="disabled")


def call(
    service: Service, user: str, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Call the API as a user who has no browser."""
    given = {"Authorization": f"Bearer {service.token(user)}", **(headers or {})}
    address = service.base_url + path
    answer = httpx2.request(method, address, json=body, headers=given, trust_env=False, verify=NO_TLS)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found


def create_group(service: Service, user: str, title: str, *others: str) -> str:
    """Create a group and return its id."""
    participants = [{"userId": name} for name in others]
    wanted = {"kind": "group", "title": title.strip(), "participants": participants}
    conversation_id: str = call(service, user, "POST", "/v1/conversations", wanted)["conversation"]["id"]
    return conversation_id


def send_message(service: Service, user: str, conversation_id: str, body: str) -> dict[str, Any]:
    """Send a message and return it."""
    message = {"conversationId": conversation_id, "clientMessageId": uuid.uuid4().hex, "body": body}
    sent: dict[str, Any] = call(service, user, "POST", "/v1/messages", message)["message"]
    return sent
