from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Tabs, create_group, open_browser, send_message
from tests.e2e.server import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}


@pytest.fixture(scope="module")
def browser(pytestconfig: pytest.Config) -> Iterator[Browser]:
    with open_browser(pytestconfig) as browser:
        yield browser


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_all_of_it_fits(browser: Browser, service: Service, tmp_path: Path, scheme: str, size: dict[str, int]) -> None:
    """Nothing is wider than the window. The pictures of each state lie in the test's folder, to be looked at."""
    user, name = f"ann-{scheme}-{size['width']}", f"{scheme}-{size['width']}"
    conversation_id = create_group(service, user, "A title that is a good deal longer than others " * 3, "bob")
    send_message(service, "bob", conversation_id, "W" * 400)
    send_message(service, user, conversation_id, "A few words.\n" * 4)
    with browser.new_context(viewport=size, color_scheme=scheme, has_touch=size is PHONE) as context:  # type: ignore[arg-type]  # literal types
        tabs = Tabs(context, service.base_url)
        tab = tabs.open(user)
        steps = {
            "list": lambda: None,
            "thread": tab.conversations.first.click,
            "people": tab.show_people,
        }
        for step, take in steps.items():
            take()
            tab.picture(tmp_path / f"{name}-{step}.png")
            assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), step
            assert tab.page.evaluate("document.querySelector('#scroller').scrollWidth <= innerWidth"), step
        tab.people.get_by_role("button", name="Close").click()
        if size is PHONE:
            tab.page.get_by_role("button", name="All conversations").click()
            expect(tab.conversations).to_be_visible()
        assert tabs.complaints == []
