"""What the service should answer, written down a second time and as simply as possible.

Every ``may_`` function returns the code of the refusal, or an empty text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RANKS = {"observer": 0, "member": 1, "admin": 2, "owner": 3}
NOT_FOUND = "not_found"
FORBIDDEN = "forbidden"
LAST_OWNER = "last_owner"
DELETED = "message_deleted"
REUSED = "client_message_id_reused"
STALE = "precondition_failed"
OK = ""


@dataclass
class Message:
    """A message, as whoever sees it finds it."""

    id: str
    seq: int
    sender: str
    client_id: str
    sent_body: str
    body: str | None
    version: int = 1


@dataclass
class Room:
    """A conversation."""

    id: str
    visibility: str
    version: int = 1
    last_seq: int = 0
    members: dict[str, str] = field(default_factory=dict)
    """The roles of those present."""
    intervals: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """The memberships of all that ever were: first and last seq, 0 while it lasts."""
    markers: dict[str, int] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return min(user for user, role in self.members.items() if role == "owner")

    def rank(self, user: str) -> int:
        return RANKS[self.members[user]]

    def sees(self, user: str, message: Message) -> bool:
        if user not in self.members:
            return False
        return self.visibility == "all" or any(
            first <= message.seq and (not last or message.seq <= last) for first, last in self.intervals[user]
        )

    def visible(self, user: str) -> list[Message]:
        return [message for message in sorted(self.messages, key=lambda each: each.seq) if self.sees(user, message)]

    def unread(self, user: str) -> int:
        return sum(
            message.seq > self.markers[user] and message.sender != user and message.body is not None
            for message in self.visible(user)
        )

    def find_sent(self, user: str, client_id: str) -> Message | None:
        return next((each for each in self.messages if (each.sender, each.client_id) == (user, client_id)), None)

    def may_send(self, user: str, client_id: str, body: str) -> str:
        if user not in self.members:
            return NOT_FOUND
        earlier = self.find_sent(user, client_id)
        if earlier is not None:
            return OK if earlier.sent_body == body else REUSED
        return FORBIDDEN if self.members[user] == "observer" else OK

    def may_edit(self, user: str, message: Message) -> str:
        if not self.sees(user, message):
            return NOT_FOUND
        if message.sender != user or self.members[user] == "observer":
            return FORBIDDEN
        return DELETED if message.body is None else OK

    def may_delete(self, user: str, message: Message) -> str:
        if not self.sees(user, message):
            return NOT_FOUND
        least = "member" if message.sender == user else "admin"
        if self.rank(user) < RANKS[least]:
            return FORBIDDEN
        return DELETED if message.body is None else OK

    def may_patch(self, user: str) -> str:
        if user not in self.members:
            return NOT_FOUND
        return OK if self.rank(user) >= RANKS["admin"] else FORBIDDEN

    def may_destroy(self, user: str) -> str:
        if user not in self.members:
            return NOT_FOUND
        return OK if self.members[user] == "owner" else FORBIDDEN

    def may_add(self, user: str, role: str) -> str:
        return self.may_patch(user) or self._may_reach(user, role)

    def may_remove(self, user: str, target: str) -> str:
        if user == target and user in self.members:
            refusal = FORBIDDEN if self.members[user] == "observer" else OK
        else:
            refusal = self.may_patch(user) or self._may_act_on(user, target)
        return refusal or (LAST_OWNER if self._is_last_owner(target) else OK)

    def may_re_role(self, user: str, target: str, role: str) -> str:
        if user != target or user not in self.members:
            refusal = self.may_patch(user) or self._may_act_on(user, target) or self._may_reach(user, role)
        else:
            refusal = OK if RANKS[role] <= self.rank(user) else self.may_patch(user) or self._may_climb(user, role)
        return refusal or (LAST_OWNER if role != "owner" and self._is_last_owner(target) else OK)

    def join(self, user: str, role: str, seq: int) -> None:
        self.members[user] = role
        self.intervals.setdefault(user, []).append((seq, 0))
        self.markers[user] = max(self.markers.get(user, 0), seq)

    def leave(self, user: str, seq: int) -> None:
        del self.members[user]
        first, _ = self.intervals[user].pop()
        self.intervals[user].append((first, seq))

    def next_seq(self) -> int:
        self.last_seq += 1
        return self.last_seq

    def _may_act_on(self, user: str, target: str) -> str:
        if target not in self.members:
            return NOT_FOUND
        return OK if self.members[user] == "owner" or self.rank(target) < self.rank(user) else FORBIDDEN

    def _may_reach(self, user: str, role: str) -> str:
        return OK if self.members[user] == "owner" or RANKS[role] < self.rank(user) else FORBIDDEN

    def _may_climb(self, user: str, role: str) -> str:
        """Nobody raises himself: only owners act on their own rank, and there is nothing above them."""
        return FORBIDDEN

    def _is_last_owner(self, target: str) -> bool:
        owners = [user for user, role in self.members.items() if role == "owner"]
        return owners == [target]
