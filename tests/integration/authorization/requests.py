"""Every call and frame that names something, made for any id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.api.routing import NoBody

if TYPE_CHECKING:
    from sanctum_messaging.api.routing import AnyRoute
    from tests.integration.calling import Json

RIGHT_BODIES: dict[str, Json] = {
    "PATCH /v1/conversations/{conversationId}": {"title": "New"},
    "POST /v1/conversations/{conversationId}/participants": {"userId": "new"},
    "PATCH /v1/conversations/{conversationId}/participants/{userId}": {"role": "observer"},
    "POST /v1/messages": {"clientMessageId": "c9", "body": "Hi"},
    "PATCH /v1/messages/{messageId}": {"body": "New"},
    "POST /v1/conversations/{conversationId}/read": {"seq": 1},
}
"""What else is said to the calls that take a body."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A route that names a conversation or a message, in its path or its body."""

    route: AnyRoute

    @property
    def name(self) -> str:
        return f"{self.route.method} {self.route.path}"

    @property
    def of_message(self) -> bool:
        return "{messageId}" in self.route.path

    @property
    def in_path(self) -> bool:
        return "{" in self.route.path

    def path(self, named: str) -> str:
        return self.route.path.format(conversationId=named, messageId=named, userId="member")

    def body(self, named: str) -> Json | None:
        if self.route.body is NoBody:
            return None
        right = RIGHT_BODIES[self.name]
        return right if self.in_path else {**right, "conversationId": named}


NAMING = [Naming(each) for each in ROUTES if "{" in each.path or "conversationId" in each.body.__struct_encode_fields__]
FRAMES: dict[str, Json] = {"send": {"clientMessageId": "c9", "body": "Hi"}, "read": {"seq": 1}, "typing": {"on": True}}
"""The frames that name a conversation, and what else they say."""
