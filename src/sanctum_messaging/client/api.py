"""The calls of the HTTP API together, without a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sanctum_messaging.client.conversations import ConversationCalls
from sanctum_messaging.client.http import HTTP
from sanctum_messaging.client.messages import MessageCalls
from sanctum_messaging.client.participants import ParticipantCalls
from sanctum_messaging.client.stream import StreamCalls
from sanctum_messaging.client.tokens import Tokens

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from sanctum_messaging.client.tokens import TokenSource


class API(ConversationCalls, ParticipantCalls, MessageCalls, StreamCalls):
    """Calls over HTTP alone, for a program that needs no stream, such as a backend with a service token."""

    def __init__(
        self, url: str, *, token: TokenSource, act_as: str | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """Name the service and the user; connections are opened by calls.

        Args:
            url: the address of the service, such as ``https://chat.example.com``.
            token: an access token; or what gives one, also asynchronously, and a fresh one each time it is called. It
                may raise ``Unauthenticated`` to end the client; whatever else it raises is taken for a failure that
                may pass, and it is called again.
            act_as: for whom a service token acts.
            tls: whom to trust; the authorities of the system without.
        """
        if not url.startswith(("http://", "https://")):
            raise ValueError("The address of a service begins with http:// or https://.")
        self._url = url.rstrip("/")
        self._headers = {} if act_as is None else {"Act-As": act_as}
        self._tokens = Tokens(token)
        self._http = HTTP(self._url, self._tokens, headers=self._headers, tls=tls)

    async def __aenter__(self) -> Self:
        """Do nothing: there is nothing to open."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._http.close()
