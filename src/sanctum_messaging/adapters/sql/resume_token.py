"""Resume tokens ``<id>.<generation>.<secret>``, of which a store keeps the id, the generation and a hash."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import InvalidCursorError
from sanctum_messaging.domain.model import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterable

GRACE_MS = 60_000
"""How long the token before the present one is still good: a welcome may be lost with its socket."""

_PARTS = 3
_MAX_DIGITS = 18
"""A generation fits into 64 bits."""


@dataclass(frozen=True, slots=True)
class ResumeToken:
    """One token, in its parts."""

    id: str
    generation: int
    secret: str

    @classmethod
    def find(cls, text: str) -> ResumeToken | None:
        """Read a token; none for what is none."""
        parts = text.split(".")
        if len(parts) != _PARTS or not (parts[1].isascii() and parts[1].isdigit()) or len(parts[1]) > _MAX_DIGITS:
            return None
        return cls(parts[0], int(parts[1]), parts[2])

    @classmethod
    def find_all(cls, texts: Iterable[str]) -> list[ResumeToken]:
        """Read tokens, in the order of their ids, without what is none."""
        return sorted((token for text in texts if (token := cls.find(text)) is not None), key=lambda token: token.id)

    @classmethod
    def parse(cls, text: str) -> ResumeToken:
        """Read a token that this service made.

        Raises:
            ValueError: it did not.
        """
        token = cls.find(text)
        if token is None:
            message = "a resume token was persisted that is none"
            raise ValueError(message)
        return token

    def successor(self, generation: int) -> ResumeToken:
        """Draw the token of a later generation of the session."""
        return ResumeToken(self.id, generation, secrets.token_urlsafe(24))

    @property
    def secret_hash(self) -> str:
        """What is stored instead of the secret; it is random, so no salt is needed."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.id}.{self.generation}.{self.secret}"


NO_TOKEN = ResumeToken("", 0, "")
"""Stands for a text that is no token: no session has an empty id."""


def stored_cursor(text: str) -> Cursor:
    """Read the cursor of a stored state, which is one that was written there."""
    try:
        return Cursor.parse(text)
    except InvalidCursorError as damaged:
        message = "the table resume_state holds what was never written to it"
        raise RuntimeError(message) from damaged
