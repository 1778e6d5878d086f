"""The world in which every cell of the table is tried: conversations, who is in them, and what was said there."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import apsw

from tests.integration.calling import got

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.integration.calling import Api, Caller, Json

OTHERS = {"other observer": "observer", "other member": "member", "other admin": "admin"}
"""Who else is in every group, beside the callers; where there is another owner, he is ``other owner``."""
USERS = {
    "other tenant": "owner",
    "service": "watched",
    "service alone": "backend",
    "service for outsider": "outsider",
    "service for removed": "removed",
}
"""The user ids of those callers who are not called as they are."""
_TABLES = ("conversation", "participant", "membership", "message")


class Place(Enum):
    """What kind of conversation a call is tried on."""

    NONE = auto()
    GROUP = auto()
    GROUP_OF_ONE_OWNER = auto()
    DELETED = auto()
    JOINED = auto()
    """A group of joined history, in which the message is from before all but the other owner came."""
    DIRECT = auto()


@dataclass(slots=True)
class Given:
    """What a caller finds when it is his turn."""

    caller: str
    me: str
    conversation_id: str = ""
    other: str = ""
    """The other user of a direct conversation."""
    message: Json = field(default_factory=dict)
    before: str = ""
    """The stream's end from before anything of this was done but the creation."""

    def seen_by(self, caller: str) -> Given:
        """Give the same to another caller."""
        return replace(self, caller=caller, me=USERS.get(caller, caller))


@dataclass(frozen=True, slots=True)
class Case:
    """How a row of the table is tried: on what, and with what request."""

    place: Place = Place.GROUP
    user: str = ""
    """Whom the path names; ``oneself`` is the caller, and ``the other`` the one in a direct conversation."""
    message: str = ""
    """Whose message there is: ``own``, or ``another's``."""
    message_type: str = "text"
    then: Callable[[Scene, Given], Awaitable[None]] | None = None
    """What else has happened before the call; or, where callers listen, what happens then."""
    body: Callable[[Given], Json] | None = None
    query: Callable[[Given], str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    shows: Callable[[Json, Given], bool] | None = None
    """Whether what the row names is in the answer."""

    @property
    def depends_on_caller(self) -> bool:
        return self.place is Place.DIRECT or self.message == "own"


class Scene:
    """One running service, and everyone who calls it."""

    def __init__(self, api: Api, database: Path) -> None:
        self.api = api
        self.callers = {name: api.user(name) for name in ("outsider", "removed", *_PRESENT, *OTHERS, "other owner")}
        self.callers["anonymous"] = api.nobody
        self.callers["other tenant"] = api.user("owner", tenant="elsewhere")
        self.callers["service"] = api.service_for("watched")
        self.callers["service alone"] = api.service_for()
        self.callers |= {f"service for {name}": api.service_for(name) for name in ("outsider", "removed")}
        self._database = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def new_name(self, kind: str) -> str:
        """Name someone or something that was not there before."""
        return f"{kind}-{next(self._numbers)}"

    def headers_of(self, caller: str) -> dict[str, str]:
        """Return what a caller's socket says at the handshake."""
        return dict(self.callers[caller]._headers)

    def acting_for(self, user: str) -> Caller:
        """Return a service that acts for a user, whatever his rank is."""
        return self.api.service_for(user)

    def digest(self, conversation_id: str) -> object:
        """Tell all that is stored of a conversation, and where the log ends, to see whether any of it changed."""
        tables = [
            self._database.execute(
                f"SELECT * FROM {table} WHERE {'id' if table == 'conversation' else 'conversation_id'} = ?",  # noqa: S608 - one of our tables
                (conversation_id,),
            ).fetchall()
            for table in _TABLES
        ]
        return tables, self._database.execute("SELECT max(position) FROM event").fetchall()

    def dump(self) -> object:
        """Tell all that is stored of anything."""
        tables = (*_TABLES, "event", "idempotency")
        return [self._database.execute(f"SELECT * FROM {table}").fetchall() for table in tables]  # noqa: S608 - one of our tables

    async def arrange(self, case: Case, caller: str) -> Given:
        """Prepare what a caller finds; what does not depend on him may be given to the next one too."""
        given = Given(caller, me=USERS.get(caller, caller))
        match case.place:
            case Place.NONE:
                return given
            case Place.DIRECT:
                await self._arrange_direct(case, given)
            case Place.JOINED:
                await self._arrange_joined(case, given)
            case _:
                await self._arrange_group(case, given)
        if case.then is not None:
            await case.then(self, given)
        return given

    async def _arrange_group(self, case: Case, given: Given) -> None:
        others = [] if case.place is Place.GROUP_OF_ONE_OWNER else ["other owner"]
        given.conversation_id = await self.callers["owner"].create(*_participants(but="owner"), *map(_owner, others))
        await self._say(case, given)
        await self._remove(given)
        if case.place is Place.DELETED:
            path = f"/v1/conversations/{given.conversation_id}"
            got(await self.callers["owner"].delete(path, match="*"), 204)

    async def _arrange_joined(self, case: Case, given: Given) -> None:
        founder = self.callers["other owner"]
        given.conversation_id = await founder.create(historyVisibility="joined")
        given.message = await founder.send(given.conversation_id)
        path = f"/v1/conversations/{given.conversation_id}/participants"
        got(await founder.post(path, {"participants": _participants()}), 201)
        given.before = str(self.api.service.hub.tail)
        await self._remove(given)

    async def _arrange_direct(self, case: Case, given: Given) -> None:
        one = self.acting_for(given.me if given.caller in {"member", "service"} else "member")
        given.other = self.new_name("friend")
        body = {"kind": "direct", "participants": [{"userId": given.other}]}
        given.conversation_id = got(await one.post("/v1/conversations", body), 201)["conversation"]["id"]
        await self._say(case, given)

    async def _say(self, case: Case, given: Given) -> None:
        """Have somebody send the message of the case; a service does it for him, for an observer could not."""
        given.before = str(self.api.service.hub.tail)
        if case.message:
            sender = self.acting_for(_sender(case, given))
            given.message = await sender.send(given.conversation_id, type=case.message_type)

    async def _remove(self, given: Given) -> None:
        path = f"/v1/conversations/{given.conversation_id}/participants/removed"
        got(await self.acting_for("other admin").delete(path), 204)


_PRESENT = ("observer", "member", "admin", "owner")


def _participants(*, but: str = "") -> list[Json]:
    """List everyone who is in a group, and who is about to be removed from it."""
    roles = {**{role: role for role in _PRESENT}, "watched": "observer", "removed": "member", **OTHERS}
    return [{"userId": name, "role": role} for name, role in roles.items() if name != but]


def _owner(name: str) -> Json:
    return {"userId": name, "role": "owner"}


def _sender(case: Case, given: Given) -> str:
    if case.message == "another's":
        return given.other or "other member"
    mine = given.me in {*_PRESENT, "removed", "watched"} and given.caller != "other tenant"
    return given.me if mine else "member"


def path_of(template: str, case: Case, given: Given) -> str:
    """Write the path of a call."""
    user = {"oneself": given.me, "the other": given.other}.get(case.user, case.user)
    names: dict[str, Any] = {
        "conversationId": given.conversation_id,
        "messageId": given.message.get("id", ""),
        "userId": quote(user, safe=""),
    }
    query = "" if case.query is None else f"?{case.query(given)}"
    return template.format_map(names) + query
