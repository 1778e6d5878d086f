"""The chat page while its service is not there: nothing typed is lost or doubled, and nothing is missed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Tab, Tabs, call, create_group, open_browser, send_message
from tests.e2e.server import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser(pytestconfig: pytest.Config) -> Iterator[Browser]:
    with open_browser(pytestconfig) as browser:
        yield browser


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "data") as service:
        yield service


@pytest.fixture
def tabs(browser: Browser, service: Service) -> Iterator[Tabs]:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        tabs = Tabs(context, service.base_url)
        yield tabs
        assert tabs.complaints == []


def stored(service: Service, user: str, conversation_id: str) -> list[dict[str, Any]]:
    """Read all messages of a conversation as the service has them."""
    page = call(service, user, "GET", f"/v1/conversations/{conversation_id}/messages?limit=200")
    messages: list[dict[str, Any]] = page["messages"]
    return messages


def kept(tab: Tab) -> list[dict[str, Any]]:
    """Read what the browser keeps of the messages on their way."""
    entries = tab.page.evaluate("Object.entries(localStorage).filter(([key]) => key.startsWith('sanctum.outbox/'))")
    return [json.loads(value) for _, value in entries]


def reconnect(tab: Tab) -> None:
    """Press the button; if the page has just come back by itself it is hidden, and pressing it changes nothing."""
    button = tab.turn_to().page.locator("#retry")
    button.dispatch_event("click")
    tab.expect_live()
    expect(button).to_be_hidden()


def test_what_is_typed_offline_survives_a_reload_and_goes_out_once(
    tabs: Tabs, service: Service, tmp_path: Path
) -> None:
    conversation_id = create_group(service, "ann", "Tunnel", "bob")
    ann, bob = tabs.open("ann"), tabs.open("bob")
    ann.open_conversation("Tunnel")
    bob.open_conversation("Tunnel")
    ann.send("before")
    expect(bob.message("before")).to_be_visible()

    service.kill()
    expect(ann.page.locator("#banner-text")).to_contain_text("Reconnecting")
    ann.send("written in the dark")
    ann.send("and another")
    expect(ann.message("written in the dark")).to_have_text("You: written in the darksending")
    ann.picture(tmp_path / "offline.png")
    waiting = sorted(kept(ann), key=lambda entry: entry["at"])
    assert [entry["body"] for entry in waiting] == ["written in the dark", "and another"]

    # The page itself comes from the service, so the reload shows the browser's own error until it is back.
    with pytest.raises(Exception, match="ERR_CONNECTION_REFUSED"):
        ann.page.reload()
    service.start()
    ann.load(service.base_url)
    ann.expect_live()
    ann.open_conversation("Tunnel")
    expect(ann.message("written in the dark").locator("time")).to_be_visible()
    expect(ann.page.locator(".sending")).to_have_count(0)
    assert kept(ann) == []

    found = [(each["body"], each["clientMessageId"]) for each in stored(service, "ann", conversation_id)]
    assert found[1:] == [(entry["body"], entry["clientMessageId"]) for entry in waiting]
    reconnect(bob)
    expect(bob.message("and another")).to_be_visible()
    assert ann.texts() == bob.texts() == ["before", "written in the dark", "and another"]


def test_what_was_missed_appears_and_what_waits_goes_out_without_a_reload(tabs: Tabs, service: Service) -> None:
    conversation_id = create_group(service, "ann", "Night", "bob")
    ann, bob = tabs.open("ann"), tabs.open("bob")
    ann.open_conversation("Night")
    for round_number in range(3):
        service.kill()
        ann.send(f"waits {round_number}")
        expect(ann.message(f"waits {round_number}").locator(".state")).to_contain_text("sending")
        service.start()
        send_message(service, "bob", conversation_id, f"missed {round_number}")
        create_group(service, "bob", f"New {round_number}", "ann")
        reconnect(ann)
        expect(ann.message(f"missed {round_number}")).to_be_visible()
        expect(ann.conversation(f"New {round_number}")).to_be_visible()
        expect(ann.page.locator(".sending")).to_have_count(0)
    in_log = [each["body"] for each in stored(service, "ann", conversation_id)]
    assert len(in_log) == len(set(in_log)) == 6
    assert ann.texts() == in_log

    # What he did not see counts as unread, also where all of it came with the reconnect.
    reconnect(bob)
    expect(bob.unread("Night")).to_have_text("3")


def test_a_message_that_is_refused_for_good_says_so(tabs: Tabs, service: Service) -> None:
    conversation_id = create_group(service, "ann", "Strict", "bob")
    bob = tabs.open("bob")
    bob.open_conversation("Strict")
    service.kill()
    bob.send("too late")
    expect(bob.message("too late").locator(".state")).to_contain_text("sending")
    bob.page.close()

    service.start()
    call(service, "ann", "PATCH", f"/v1/conversations/{conversation_id}/participants/bob", {"role": "observer"})
    bob = tabs.open("bob")
    bob.open_conversation("Strict")
    expect(bob.message("too late")).to_contain_text("Not sent. Your role in this conversation does not allow it.")
    bob.page.reload()
    bob.open_conversation("Strict")
    expect(bob.message("too late")).to_contain_text("Not sent.")

    # Once he may write again it takes one press.
    call(service, "ann", "PATCH", f"/v1/conversations/{conversation_id}/participants/bob", {"role": "member"})
    expect(bob.field).to_be_visible()
    bob.message("too late").get_by_role("button", name="Try again").click()
    expect(bob.message("too late").locator("time")).to_be_visible()
    assert [each["body"] for each in stored(service, "ann", conversation_id)] == ["too late"]


def test_what_waits_for_a_conversation_that_is_gone_is_given_back_in_words(tabs: Tabs, service: Service) -> None:
    conversation_id = create_group(service, "ann", "Gone", "bob")
    bob = tabs.open("bob")
    bob.open_conversation("Gone")
    service.kill()
    bob.send("my last words")
    # Or else it would come back by itself, perhaps before he is removed.
    bob.page.context.set_offline(True)
    service.start()
    call(service, "ann", "DELETE", f"/v1/conversations/{conversation_id}/participants/bob")
    bob.page.context.set_offline(False)
    reconnect(bob)
    notices = bob.page.get_by_role("alert")
    expect(notices).to_contain_text("ann removed you from “Gone”.")
    expect(notices).to_contain_text("“my last words” was not sent.")
    assert kept(bob) == []


def test_a_page_opened_while_the_service_is_restarted_comes_up(tabs: Tabs, service: Service) -> None:
    """The first requests fail: the page keeps trying."""
    page = tabs.open_page()
    page.route("**/dev/token", lambda route: route.abort())
    ann = Tab(page, "ann")
    ann.load(service.base_url)
    expect(page.locator("#banner-text")).to_contain_text("Reconnecting")
    page.unroute_all()
    reconnect(ann)


def test_what_the_browser_has_no_room_for_is_not_sent_behind_ones_back(tabs: Tabs, service: Service) -> None:
    create_group(service, "ann-full", "Full", "bob-full")
    ann = tabs.open("ann-full")
    ann.open_conversation("Full")
    ann.page.evaluate("""() => {
        const full = () => { throw new DOMException('', 'QuotaExceededError'); };
        window.setItem = Storage.prototype.setItem;
        Storage.prototype.setItem = full;
    }""")
    ann.field.fill("Once")
    ann.field.press("Enter")
    expect(ann.page.get_by_role("alert")).to_contain_text("The browser has no room left")
    expect(ann.field).to_have_value("Once")
    ann.page.evaluate("() => { Storage.prototype.setItem = window.setItem; }")
    ann.field.press("Enter")
    expect(ann.message("Once").locator("time")).to_be_visible()
    ann.send("Last")
    expect(ann.message("Last").locator("time")).to_be_visible()
    assert ann.texts() == ["Once", "Last"]


def test_tabs_of_one_user_share_what_waits(tabs: Tabs, service: Service) -> None:
    conversation_id = create_group(service, "ann", "Shared", "bob")
    one, other = tabs.open("ann"), tabs.open("ann")
    one.open_conversation("Shared")
    other.open_conversation("Shared")
    service.kill()
    one.send("typed in one tab")
    expect(other.message("typed in one tab").locator(".state")).to_contain_text("sending")
    one.page.close()
    service.start()
    reconnect(other)
    expect(other.message("typed in one tab").locator("time")).to_be_visible()
    assert [each["body"] for each in stored(service, "ann", conversation_id)] == ["typed in one tab"]
    assert kept(other) == []


def test_a_database_that_was_replaced_is_read_anew(tabs: Tabs, service: Service) -> None:
    """What the page holds is of another log: it is told to begin anew, and does, without a reload."""
    create_group(service, "ann", "Lost", "bob")
    ann = tabs.open("ann")
    ann.open_conversation("Lost")
    ann.send("gone with the database")
    service.kill()
    for path in service.data_dir.glob("messaging.db*"):
        path.unlink()
    service.start()
    conversation_id = create_group(service, "ann", "Found", "bob")
    send_message(service, "bob", conversation_id, "welcome back")
    reconnect(ann)
    expect(ann.conversation("Found")).to_be_visible()
    expect(ann.conversation("Lost")).to_have_count(0)
    ann.open_conversation("Found")
    expect(ann.message("welcome back")).to_be_visible()


def test_who_is_no_longer_signed_in_is_told_so_and_can_begin_again(tabs: Tabs, service: Service) -> None:
    ann = tabs.open("ann")
    refused = {"token": "refused", "expiresAt": "2999-01-01T00:00:00Z"}
    ann.page.route("**/dev/token", lambda route: route.fulfill(json=refused))
    service.kill()
    for path in service.data_dir.iterdir():
        path.unlink()
    service.start()
    # The page may have tried by itself already: then this button is "Connect again", which is for later.
    ann.page.locator("#retry").evaluate("button => button.textContent === 'Try now' && button.click()")
    expect(ann.page.locator("#banner-text")).to_have_text("You are not signed in any more.")
    ann.page.unroute("**/dev/token")
    ann.turn_to().page.get_by_role("button", name="Connect again").click()
    ann.expect_live()
