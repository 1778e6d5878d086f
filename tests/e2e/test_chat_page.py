from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Tabs, call, create_group, open_browser, send_message
from tests.e2e.server import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

HOSTILE = '<img src=x onerror="document.title=1"><b>bold</b>'


@pytest.fixture(scope="module")
def browser(pytestconfig: pytest.Config) -> Iterator[Browser]:
    with open_browser(pytestconfig) as browser:
        yield browser


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One process for all tests; each has users of its own."""
    with Service(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


@pytest.fixture
def tabs(browser: Browser, service: Service) -> Iterator[Tabs]:
    """The tabs of one browser. Whatever a test does, the browser must find nothing wrong with the page."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        tabs = Tabs(context, service.base_url)
        yield tabs
        assert tabs.complaints == []


def test_two_users_talk(tabs: Tabs) -> None:
    ann, bob = tabs.open("ann"), tabs.open("bob")

    ann.create("Launch", "bob")
    expect(bob.conversation("Launch")).to_be_visible()
    ann.send("Hello bob")
    expect(bob.unread("Launch")).to_have_text("1")
    expect(bob.page).to_have_title("(1) bob · Sanctum Messaging")
    ann.send("Are you there?")
    expect(bob.unread("Launch")).to_have_text("2")

    # What is seen is read, here and in another tab of the same user.
    other_tab = tabs.open("bob")
    expect(other_tab.unread("Launch")).to_have_text("2")
    bob.open_conversation("Launch")
    expect(bob.page.locator(".heading.unread")).to_be_visible()
    expect(bob.unread("Launch")).to_be_empty()
    expect(other_tab.unread("Launch")).to_be_empty()
    expect(bob.page).to_have_title("bob · Sanctum Messaging")

    bob.field.press_sequentially("I a")
    expect(ann.page.locator("#typing")).to_have_text("bob is typing…")
    bob.send("I am")
    expect(ann.message("I am")).to_be_visible()
    expect(ann.page.locator("#typing")).to_be_empty()
    expect(ann.unread("Launch")).to_be_empty()
    assert ann.texts() == bob.texts() == ["Hello bob", "Are you there?", "I am"]


def test_a_message_is_edited_answered_and_deleted(tabs: Tabs) -> None:
    ann, bob = tabs.open("ann-2"), tabs.open("bob-2")
    ann.create("Words", "bob-2")
    bob.open_conversation("Words")
    ann.send("frist")
    expect(bob.message("frist")).to_be_visible()

    ann.field.press("ArrowUp")
    expect(ann.field).to_have_value("frist")
    ann.field.press("Escape")
    expect(ann.field).to_have_value("")
    ann.field.fill("Half a sen")
    ann.act("frist", "Edit")
    ann.field.fill("first")
    ann.field.press("Enter")
    expect(bob.message("first").locator(".state")).to_have_text("edited")
    expect(ann.field).to_have_value("Half a sen")
    ann.field.fill("")

    bob.act("first", "Reply")
    bob.field.fill("second")
    bob.field.press("Shift+Enter")
    bob.field.press_sequentially("third")
    bob.field.press("Enter")
    expect(ann.message("second\nthird").locator(".quote")).to_have_text("Youfirst")

    # One may not touch what others wrote, unless one leads the group.
    expect(bob.message("first").first.get_by_role("button", name="Edit")).to_have_count(0)
    expect(bob.message("first").first.get_by_role("button", name="Delete")).to_have_count(0)
    ann.act("second", "Delete")
    ann.confirm("Delete")
    expect(bob.message("This message was deleted.")).to_be_visible()
    expect(bob.message("second")).to_have_count(0)
    expect(bob.conversation("Words")).to_contain_text("A message was deleted")


def test_people_come_and_go(tabs: Tabs) -> None:
    ann, bob = tabs.open("ann-3"), tabs.open("bob-3")
    ann.create("Room")
    ann.send("before bob")
    ann.show_people()
    ann.people.get_by_role("textbox", name="Add people").fill("bob-3")
    ann.people.get_by_label("Role", exact=True).select_option("observer")
    ann.people.get_by_role("button", name="Add", exact=True).click()

    # Added as one who looks on, made one who writes.
    bob.open_conversation("Room")
    expect(bob.message("before bob")).to_be_visible()
    expect(bob.page.get_by_text("You are an observer here")).to_be_visible()
    expect(bob.field).to_be_hidden()
    ann.turn_to().people.get_by_label("Role of bob-3").select_option("member")
    expect(bob.field).to_be_visible()
    bob.send("thanks")
    expect(ann.message("thanks")).to_be_visible()

    # The last owner hears in words why he can't leave.
    ann.turn_to().people.get_by_role("button", name="Leave this conversation").click()
    ann.confirm("Leave")
    expect(ann.page.get_by_role("alert")).to_contain_text("make somebody else an owner first")
    tabs.drop_complaint("409")

    ann.people.get_by_role("button", name="Remove bob-3").click()
    ann.confirm("Remove")
    expect(bob.conversation("Room")).to_have_count(0)
    expect(bob.page.get_by_role("alert")).to_contain_text("ann-3 removed you from “Room”.")
    expect(bob.field).to_be_hidden()
    ann.send("after bob")
    expect(ann.message("after bob")).not_to_have_class(re.compile("sending"))
    expect(bob.page.get_by_text("after bob")).to_have_count(0)


def test_a_direct_conversation_is_named_after_the_other_one(tabs: Tabs) -> None:
    ann, bob = tabs.open("ann-4"), tabs.open("bob-4")
    ann.turn_to().page.get_by_role("button", name="New conversation").click()
    dialog = ann.page.get_by_role("dialog")
    dialog.get_by_label("Direct").check()
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_role("alert")).to_have_text("Name the other one.")
    dialog.get_by_role("textbox", name="With").fill("bob-4")
    dialog.get_by_role("button", name="Create").click()
    expect(ann.page.locator("#title")).to_have_text("bob-4")
    bob.open_conversation("ann-4")

    ann.page.reload()
    expect(ann.conversation("bob-4")).to_be_visible()
    ann.open_conversation("bob-4")
    ann.show_people()
    expect(ann.people.get_by_role("button", name="Leave this conversation")).to_be_hidden()


def test_older_messages_appear_when_one_scrolls_up(tabs: Tabs, service: Service) -> None:
    conversation_id = create_group(service, "ann-5", "Long", "bob-5")
    sent = [f"message {number} of many" for number in range(130)]
    for text in sent:
        send_message(service, "bob-5", conversation_id, text)
    ann = tabs.open("ann-5")
    expect(ann.unread("Long")).to_have_text("99+")
    ann.open_conversation("Long")
    ann.page.locator("#newest").click()
    expect(ann.message(sent[-1])).to_be_in_viewport()
    expect(ann.unread("Long")).to_be_empty()

    scroller = ann.page.get_by_role("region", name="Messages")
    scroller.focus()
    for loaded in (100, 130):
        if ann.messages.count() < loaded:
            scroller.press("Home")
        expect(ann.messages).to_have_count(loaded)
    # What was being read stays in view while the older appear above it.
    expect(ann.message(sent[30])).to_be_in_viewport()
    scroller.press("Home")
    expect(ann.page.get_by_text("This is where the conversation begins.")).to_be_in_viewport()
    assert ann.texts() == sent


def test_of_many_conversations_only_what_changed_is_drawn_again(tabs: Tabs, service: Service) -> None:
    """A list of hundreds takes all of the processor else, for each event and each name that is read."""
    create_group(service, "ann-8", "Silent", "bob-8")
    loud = create_group(service, "ann-8", "   ", "bob-8")
    ann = tabs.open("ann-8")
    silent = ann.conversation("Silent")
    silent.evaluate("""(line) => {
        const told = { subtree: true, childList: true, characterData: true };
        window.drawn = 0;
        new MutationObserver((changes) => { window.drawn += changes.length; }).observe(line, told);
    }""")
    send_message(service, "bob-8", loud, "Hello")
    expect(ann.conversation("bob-8")).to_contain_text("bob-8: Hello")
    assert ann.page.evaluate("window.drawn") == 0


def test_what_people_type_is_never_markup(tabs: Tabs) -> None:
    ann, evil = tabs.open("ann-6"), tabs.open("<b>evil")
    ann.create(HOSTILE, "<b>evil")
    evil.open_conversation(HOSTILE)
    evil.send(HOSTILE)
    expect(ann.message("onerror").locator(".body")).to_have_text(HOSTILE)
    expect(ann.message("onerror").locator(".who")).to_have_text("<b>evil")
    ann.show_people()
    expect(ann.people.get_by_text("<b>evil")).to_be_visible()
    for page in (ann.page, evil.page):
        expect(page.locator("img:not(.logo), b")).to_have_count(0)


def test_a_name_is_chosen_and_kept_by_the_tab(tabs: Tabs) -> None:
    page = tabs.open_page()
    page.goto(tabs.base_url)
    page.get_by_label("User name").fill("dora")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#me")).to_have_text("dora")
    page.goto(tabs.base_url)
    expect(page.locator("#me")).to_have_text("dora")
    page.get_by_role("button", name="Change user").click()
    expect(page.get_by_label("User name")).to_be_focused()


def test_back_and_a_reload_lead_to_what_was_looked_at(tabs: Tabs, service: Service) -> None:
    for name in ("First", "Second"):
        create_group(service, "ann-9", name, "bob-9")
    ann = tabs.open("ann-9")
    title, nothing = ann.page.locator("#title"), ann.page.locator("#nothing-open")
    ann.open_conversation("First")
    ann.page.reload()
    expect(title).to_have_text("First")
    ann.open_conversation("Second")
    ann.page.go_back()
    expect(title).to_have_text("First")
    ann.page.go_back()
    expect(nothing).to_be_visible()
    ann.page.go_forward()
    expect(nothing).to_be_hidden()
    expect(title).to_have_text("First")


def test_a_refusal_is_told_in_words(tabs: Tabs, service: Service) -> None:
    conversation_id = create_group(service, "ann-7", "Quick", "bob-7")
    message = send_message(service, "ann-7", conversation_id, "one")
    ann = tabs.open("ann-7")
    ann.open_conversation("Quick")
    ann.act("one", "Edit")
    ann.page.route("**/v1/messages/*", lambda route: route.fulfill(status=503, json=OVERLOADED))
    ann.field.fill("two")
    ann.field.press("Enter")
    expect(ann.page.get_by_role("alert")).to_contain_text("Try again in 7 s.")
    expect(ann.field).to_have_value("two")
    ann.page.unroute_all()

    # Somebody was faster: it is shown, and saving once more is a decision.
    call(service, "ann-7", "PATCH", f"/v1/messages/{message['id']}", {"body": "three"}, {"If-Match": '"v1"'})
    expect(ann.message("three")).to_be_visible()
    ann.field.press("Enter")
    expect(ann.page.get_by_role("alert")).to_contain_text("Somebody changed it just before you.")
    ann.field.press("Enter")
    expect(ann.message("two")).to_be_visible()
    tabs.drop_complaint("503")
    tabs.drop_complaint("412")


OVERLOADED = {"code": "overloaded", "title": "", "detail": "", "status": 503, "retryable": True, "retryAfterMs": 7_000}
