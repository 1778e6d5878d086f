"""The access token, asked for when it is needed and again when it is no longer accepted."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

from sanctum_messaging.client.errors import SanctumError, Unauthenticated, Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    TokenSource = str | Callable[[], str | Awaitable[str]]


ANSWER_SECONDS = 30
"""How long the source may take, so that one lost answer does not keep the application offline for ever."""


class Tokens:
    """Where tokens come from. However many ask at once, the source is asked once."""

    def __init__(self, source: TokenSource) -> None:
        """Take a token, or what gives a fresh one each time it is called."""
        self._source = source
        self._known: str | None = None
        self._asking = asyncio.Lock()

    async def get(self) -> str:
        """Return the token that is good as far as anybody knows.

        Raises:
            Unreachable: the source failed, or took too long; it may do better later.
        """
        async with self._asking:
            if self._known is None:
                self._known = await self._ask()
            return self._known

    async def renew(self, refused: str) -> str:
        """Return another token than this one, which is no longer good.

        Raises:
            Unauthenticated: the source has no other.
            Unreachable: the source failed.
        """
        async with self._asking:
            if self._known is None or self._known == refused:
                fresh = await self._ask()
                if fresh == refused:
                    raise Unauthenticated("The access token is not accepted, and there is no fresh one.")
                self._known = fresh
            return self._known

    async def _ask(self) -> str:
        if isinstance(self._source, str):
            return self._source
        try:
            given = self._source()
            if not inspect.isawaitable(given):
                return given
            async with asyncio.timeout(ANSWER_SECONDS):
                return await given
        except SanctumError:
            raise
        except Exception as error:  # A callback of the application may raise anything.
            raise Unreachable("There is no access token for now.") from error
