"""State plus events = state: what the page makes of the stream is what a list read later tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.browser import call, create_group, open_browser, send_message
from tests.e2e.server import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

COMPARE = """
async ({ before, events, after, user }) => {
  const { Store } = await import('/demo/store.js');
  const nothing = () => undefined;
  const make = (items) => {
    const effects = { changed: nothing, gone: nothing, incomplete: nothing, arrived: nothing, own: nothing };
    const store = new Store(user, effects);
    store.putList(items);
    return store;
  };
  const told = ({ id, title, version, role, lastSeq, readSeq, unreadCount, lastMessage }) =>
    ({ id, title, version, role, lastSeq, readSeq, unreadCount, lastMessage });
  const store = make(before);
  for (const event of events) store.takeEvent(event);
  return [store.list().map(told), make(after).list().map(told)];
}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


@pytest.fixture(scope="module")
def page(service: Service, pytestconfig: pytest.Config) -> Iterator[Page]:
    with open_browser(pytestconfig) as browser, browser.new_page() as page:
        page.goto(service.base_url)
        yield page


class Story:
    """What others do while one user's page follows; ``ends`` compares the page's state with the service's."""

    def __init__(self, service: Service, page: Page, user: str) -> None:
        self._service = service
        self._page = page
        self.user = user
        self.leader = f"{user}-leader"
        self.known = self.create("known")
        self._before: dict[str, Any] = {}

    def begins(self) -> None:
        self._before = self._list()

    def create(self, title: str, *, with_user: bool = True) -> str:
        return create_group(self._service, self.leader, title, *([self.user] if with_user else []))

    def send(self, conversation_id: str, text: str, *, by: str | None = None) -> dict[str, Any]:
        return send_message(self._service, by or self.leader, conversation_id, text)

    def does(self, method: str, path: str, body: object = None, *, version: int | None = None) -> None:
        headers = None if version is None else {"If-Match": f'"v{version}"'}
        call(self._service, self.leader, method, path, body, headers)

    def ends(self) -> None:
        events, cursor, more = [], self._before["streamCursor"], True
        while more:
            read = call(self._service, self.user, "GET", f"/v1/sync?cursor={cursor}")
            events += read["events"]
            cursor, more = read["cursor"], read["hasMore"]
        lists = {"before": self._before["conversations"], "after": self._list()["conversations"]}
        mine, theirs = self._page.evaluate(COMPARE, {**lists, "events": events, "user": self.user})
        assert mine == theirs

    def _list(self) -> dict[str, Any]:
        return call(self._service, self.user, "GET", "/v1/conversations")


@pytest.fixture
def story(service: Service, page: Page, request: pytest.FixtureRequest) -> Story:
    return Story(service, page, request.node.name)


def test_messages_come_change_and_go(story: Story) -> None:
    old = story.send(story.known, "was there")
    story.begins()
    first, second = story.send(story.known, "first"), story.send(story.known, "second")
    story.send(story.known, "my own", by=story.user)
    story.does("PATCH", f"/v1/messages/{first['id']}", {"body": "edited"}, version=1)
    story.does("DELETE", f"/v1/messages/{second['id']}", version=1)
    story.does("DELETE", f"/v1/messages/{old['id']}", version=1)
    last = story.send(story.known, "last")
    story.does("PATCH", f"/v1/messages/{last['id']}", {"body": "last, edited"}, version=1)
    story.ends()


def test_conversations_come_change_and_go(story: Story) -> None:
    doomed = story.create("doomed")
    story.begins()
    fresh = story.create("fresh")
    story.send(fresh, "hello")
    story.send(story.known, "moves up")
    story.does("PATCH", f"/v1/conversations/{story.known}", {"title": "renamed"}, version=1)
    story.does("DELETE", f"/v1/conversations/{doomed}", version=1)
    story.ends()


def test_people_come_change_and_go(story: Story) -> None:
    story.begins()
    story.does("PATCH", f"/v1/conversations/{story.known}/participants/{story.user}", {"role": "admin"})
    story.does("POST", f"/v1/conversations/{story.known}/participants", {"userId": "somebody"})
    story.does("DELETE", f"/v1/conversations/{story.known}/participants/somebody")
    left = story.create("left")
    story.send(left, "unread")
    story.does("DELETE", f"/v1/conversations/{left}/participants/{story.user}")
    story.ends()


def test_who_comes_back_begins_anew(story: Story) -> None:
    story.send(story.known, "unread")
    story.begins()
    path = f"/v1/conversations/{story.known}/participants"
    story.does("DELETE", f"{path}/{story.user}")
    story.send(story.known, "not for him")
    story.does("POST", path, {"userId": story.user, "role": "observer"})
    story.send(story.known, "for him again")
    story.ends()
