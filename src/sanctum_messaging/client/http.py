"""One call over HTTP: the token, the body and the answer, or an exception that says what became of it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import httpx2
import msgspec

from sanctum_messaging.client.errors import Refused, Unreachable
from sanctum_messaging.client.problems import read_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from msgspec import Struct

    from sanctum_messaging.client.tokens import Tokens

Result = TypeVar("Result")

ANSWER_SECONDS = 30
"""The service gives every answer within 10 s, those it was asked to wait for aside."""
_UNAUTHENTICATED = 401


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask for."""

    method: str
    path: str
    body: Struct | None = None
    query: Struct | None = None
    headers: Mapping[str, str] | None = None
    wait_seconds: float = 0.0


class HTTP:
    """Makes calls. A token that is refused is renewed once for each call."""

    def __init__(
        self, url: str, tokens: Tokens, *, headers: Mapping[str, str], tls: ssl.SSLContext | None = None
    ) -> None:
        """Name the service; connections are opened by the first call."""
        self._url = url
        self._tokens = tokens
        self._headers = dict(headers)
        self._tls = tls
        self._http: httpx2.AsyncClient | None = None

    async def fetch(self, kind: type[Result], call: Call) -> Result:
        """Make a call and read its answer.

        Raises:
            Refused: the service said why not.
            Unreachable: nobody answered, or not in this protocol.
        """
        answer = await self.perform(call)
        try:
            return msgspec.json.decode(answer, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreachable(f"{call.method} {call.path} was answered by something else: {error}") from error

    async def perform(self, call: Call) -> bytes:
        """Make a call and return the body of its answer. Raises as ``fetch``."""
        token = await self._tokens.get()
        answer = await self._request(call, token)
        if answer.status_code == _UNAUTHENTICATED:
            answer = await self._request(call, await self._tokens.renew(token))
        if not answer.is_success:
            raise Refused(read_problem(answer.status_code, answer.headers.get("Retry-After"), answer.content))
        return answer.content

    async def close(self) -> None:
        """Close what is open."""
        if self._http is not None:
            await self._http.aclose()

    async def _request(self, call: Call, token: str) -> httpx2.Response:
        if self._http is None:
            self._http = httpx2.AsyncClient(verify=self._tls or _trust(self._url))
        headers = {"Authorization": f"Bearer {token}", **self._headers, **(call.headers or {})}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return await self._http.request(
                call.method,
                self._url + call.path,
                content=None if call.body is None else msgspec.json.encode(call.body),
                params=None if call.query is None else msgspec.to_builtins(call.query),
                headers=headers,
                timeout=ANSWER_SECONDS + call.wait_seconds,
            )
        except httpx2.TransportError as error:
            raise Unreachable(f"{call.method} {call.path} was not answered ({type(error).__name__} {error})") from error


def _trust(url: str) -> ssl.SSLContext | bool:
    """Load the authorities of the system, which takes a while, only where they are asked."""
    return True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
