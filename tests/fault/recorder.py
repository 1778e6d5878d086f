"""What happened, as its clients saw it: every call as it was made and answered, every delivery, one clock for all.

A recording is a list of entries in the order in which they were made. An outcome is ``ok``, ``fail`` (surely not done)
or ``info`` (nobody knows: the answer never came). ``checker`` decides whether a service that keeps its promises could
have behaved like that.
"""

from __future__ import annotations

import itertools
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

Outcome = Literal["ok", "fail", "info"]
Action = Literal[
    "create",
    "patch",
    "destroy",
    "add",
    "remove",
    "role",
    "send",
    "edit",
    "delete",
    "read",
    "messages",
    "conversations",
    "hello",
    "sync",
]


class Call(msgspec.Struct, frozen=True):
    """What is asked for. ``target`` is the other user of ``add``, ``remove`` and ``role``.

    A ``create`` has its idempotency key for a client message id. A ``hello`` is answered once the stream is live.
    """

    action: Action
    conversation_id: str = ""
    client_message_id: str = ""
    body: str = ""
    target: str = ""
    message_id: str = ""
    seq: int = 0


class Listed(msgspec.Struct, frozen=True):
    """A line of a user's list of conversations."""

    conversation_id: str
    read_seq: int
    unread: int
    last_seq: int = 0


class Result(msgspec.Struct, frozen=True):
    """What an answer told: of a message its id, seq and version, of a page of them its seqs and versions.

    Of a list it is the lines and the cursor, of a stream the cursor up to which all was told, if it was all there is.
    """

    conversation_id: str = ""
    message_id: str = ""
    seq: int = 0
    version: int = 0
    replayed: bool = False
    read_seq: int = 0
    seqs: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    lines: tuple[Listed, ...] = ()
    cursor: str = ""


NOTHING = Result()


class Called(msgspec.Struct, frozen=True, tag_field="entry", tag="called"):
    """A call left for the service."""

    number: int
    client: str
    user: str
    at: float
    call: Call


class Answered(msgspec.Struct, frozen=True, tag_field="entry", tag="answered"):
    """The same call came to an end; ``code`` names the problem."""

    number: int
    at: float
    outcome: Outcome
    code: str = ""
    result: Result = NOTHING


class Connected(msgspec.Struct, frozen=True, tag_field="entry", tag="connected"):
    """A welcome: the stream goes on behind ``cursor``. ``asked`` is the cursor in the client's ``hello``."""

    client: str
    user: str
    at: float
    cursor: str
    asked: str | None = None
    resumed: bool = False


class Delivered(msgspec.Struct, frozen=True, tag_field="entry", tag="delivered"):
    """An event frame arrived; ``taken`` if the client gave it to the application, and did not drop it as a repeat."""

    client: str
    at: float
    cursor: str
    conversation_id: str
    seq: int
    type: str
    message_id: str = ""
    taken: bool = True


class Marked(msgspec.Struct, frozen=True, tag_field="entry", tag="marked"):
    """A frame said: everything of the stream up to this cursor was sent before."""

    client: str
    at: float
    cursor: str


class Resynced(msgspec.Struct, frozen=True, tag_field="entry", tag="resynced"):
    """The client was told that its picture can't be mended."""

    client: str
    at: float
    reason: str
    cursor: str


class Closed(msgspec.Struct, frozen=True, tag_field="entry", tag="closed"):
    """The socket is gone."""

    client: str
    at: float
    code: int


class Killed(msgspec.Struct, frozen=True, tag_field="entry", tag="killed"):
    """The service was killed."""

    at: float


class Faulted(msgspec.Struct, frozen=True, tag_field="entry", tag="faulted"):
    """Something was broken on purpose, or mended."""

    at: float
    fault: str
    target: str = ""
    mended: bool = False


class Drained(msgspec.Struct, frozen=True, tag_field="entry", tag="drained"):
    """At the end of the run the client claims to have seen all that its stream shows."""

    client: str
    at: float


Entry = Called | Answered | Connected | Delivered | Marked | Resynced | Closed | Killed | Faulted | Drained

_decoder = msgspec.json.Decoder(Entry)


class Pending:
    """A call under way; until it is told otherwise, its outcome is unknown."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.outcome: Outcome = "info"
        self.code = ""
        self.status = 0
        self.result = NOTHING
        self.answer: dict[str, Any] = {}
        """The body of the answer; not part of the recording, but of use to whoever called."""

    def done(self, result: Result = NOTHING, answer: dict[str, Any] | None = None) -> None:
        self.outcome, self.result, self.answer = "ok", result, answer or {}

    def refused(self, code: str) -> None:
        self.outcome, self.code = "fail", code

    def unknown(self, code: str) -> None:
        self.outcome, self.code = "info", code


class Recorder:
    """Makes a recording. All clients of one process share it, and with it one clock that never steps back."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._numbers = itertools.count(1)
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    @contextmanager
    def call(self, client: str, user: str, call: Call) -> Generator[Pending]:
        """Record a call; it is answered when the block ends, with an unknown outcome if that was never told."""
        pending = self.begin(client, user, call)
        try:
            yield pending
        finally:
            self.end(pending)

    def begin(self, client: str, user: str, call: Call) -> Pending:
        """Record that a call leaves, for who can't say in a block when it is answered."""
        pending = Pending(next(self._numbers))
        self.entries.append(Called(pending.number, client, user, self.now, call))
        return pending

    def end(self, pending: Pending) -> None:
        """Record what became of it."""
        self.entries.append(Answered(pending.number, self.now, pending.outcome, pending.code, pending.result))

    def note(self, entry: Entry) -> None:
        """Record what the service did by itself."""
        self.entries.append(entry)


def write_recording(path: Path, entries: Iterable[Entry]) -> None:
    """Keep a recording as one JSON object a line."""
    path.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))


def read_recording(path: Path) -> list[Entry]:
    """Read a recording again."""
    return [_decoder.decode(line) for line in path.read_bytes().splitlines()]
