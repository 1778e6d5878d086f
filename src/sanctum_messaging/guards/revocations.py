"""The revocations that this instance knows of, looked up for every request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import RevokedError
from sanctum_messaging.domain.revocation import REVOCATION_KEPT_MS, RevocationKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sanctum_messaging.domain.model import Actor, Millis, TenantId
    from sanctum_messaging.domain.revocation import Revocation

Named = dict[tuple["TenantId", str], "Revocation"]


class KnownRevocations:
    """What is revoked, in memory: a look-up or three for each question, and next to nothing while nothing is revoked.

    Who acts for another with ``Act-As`` is judged by his own token: revoking the other does not concern it.
    """

    def __init__(self) -> None:
        self._users: Named = {}
        self._sessions: Named = {}
        self._tokens: Named = {}
        self._any = False
        self._passed: Actor | None = None
        """Who passed last, since the last revocation: a request is looked at before its body and again behind it."""

    def __len__(self) -> int:
        """Count them."""
        return len(self._users) + len(self._sessions) + len(self._tokens)

    def check(self, actor: Actor) -> None:
        """Let a caller pass whose token is good.

        Raises:
            RevokedError: it was withdrawn, itself or with its session or its user.
        """
        if not self._any or actor is self._passed:
            return
        if self.is_revoked(actor):
            raise RevokedError
        self._passed = actor

    def is_revoked(self, actor: Actor) -> bool:
        """Tell whether a caller's token was withdrawn."""
        if not self._any:
            return False
        tenant = actor.tenant
        user = self._users.get((tenant, actor.bearer)) if self._users else None
        return (
            (user is not None and actor.issued_at < user.not_before)
            or (tenant, actor.session) in self._sessions
            or (actor.token_id is not None and (tenant, actor.token_id) in self._tokens)
        )

    def learn(self, revocations: Iterable[Revocation], now: Millis) -> None:
        """Add revocations, in any order and also again; forget those whose time is over."""
        for each in revocations:
            named, key = self._of(each.kind), (each.tenant, each.value)
            known = named.get(key)
            # Clocks differ, so the later of two revocations of a user may be the milder one.
            if known is None or (each.not_before, each.created_at) >= (known.not_before, known.created_at):
                named[key] = each
        for named in (self._users, self._sessions, self._tokens):
            for key in [key for key, each in named.items() if each.created_at <= now - REVOCATION_KEPT_MS]:
                del named[key]
        self._any, self._passed = len(self) > 0, None

    def _of(self, kind: RevocationKind) -> Named:
        match kind:
            case RevocationKind.USER:
                return self._users
            case RevocationKind.SESSION:
                return self._sessions
            case RevocationKind.TOKEN:
                return self._tokens
