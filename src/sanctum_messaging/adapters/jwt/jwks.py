"""The provider's keys over HTTP or from a file, read seldom and kept while the provider fails.

A stranger chooses the ``kid`` of his token. So an unknown one causes at most one read per cooldown, however many come,
and a read that fails takes no key away.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import httpx2
import structlog

from sanctum_messaging.adapters.jwt.keys import KeySetError, VerificationKey, fitting, parse_key_set
from sanctum_messaging.config import is_loopback
from sanctum_messaging.domain.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from structlog.typing import FilteringBoundLogger

TTL_MS = 10 * 60_000
"""After this the keys are read again, behind the requests' back. A withdrawn key is believed no longer than this."""

COOLDOWN_MS = 30_000
"""Between two reads, whatever asks for them: a new key is known after at most this time."""

LOOK_MS = 30_000
"""How often the age of the keys is looked at while nobody asks for them."""

UNKNOWN_KID_MS = 60_000
"""For this long a ``kid`` that a read did not bring is refused without another."""

MAX_UNKNOWN_KIDS = 1_000
"""Beyond it the oldest is forgotten: strangers must not fill the memory."""

KEEP_MS = 24 * 3_600_000
"""Keys outlive a provider that fails by a day; then nobody can tell whether they were withdrawn."""

MAX_DOCUMENT_BYTES = 256 * 1024
TIMEOUT_S = 5.0
"""For one read as a whole, so that a provider that sends a byte a second does not hold it open."""

log: FilteringBoundLogger = structlog.get_logger()


class KeyDocument(Protocol):
    """Where the JWK Set is read from."""

    async def read(self) -> bytes:
        """Return the document as it is now, at most 256 KiB, or raise KeySetError."""
        ...

    async def close(self) -> None:
        """Give up what is held open."""
        ...


class JWKSCache:
    """A key source over a document that changes: call ``start`` first and ``close`` last.

    ``issuer`` is what the log calls it: the address of the document may hold a secret.
    """

    def __init__(
        self, document: KeyDocument, now: Callable[[], int], *, issuer: str, look_seconds: float = LOOK_MS / 1000
    ) -> None:
        self._document = document
        self._now = now
        self._issuer = issuer
        self._look_seconds = look_seconds
        self._keys: tuple[VerificationKey, ...] = ()
        self.failures = 0
        """Reads that brought no keys."""
        self._loaded_at = -KEEP_MS
        self._attempted_at: int | None = None
        self._flight: asyncio.Task[bool] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._unknown: dict[str, int] = {}

    @property
    def age_ms(self) -> int | None:
        """How long ago the keys were read; none if they never were."""
        return None if self._loaded_at < 0 else self._now() - self._loaded_at

    async def start(self) -> None:
        self._watch = asyncio.create_task(self._keep_young(), name="jwks-watch")
        await self._read()

    async def close(self) -> None:
        tasks = {task for task in (self._watch, self._flight) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._document.close()

    async def find(self, kid: str | None, algorithm: str) -> tuple[VerificationKey, ...]:
        self._refresh_when_old()
        if not self._current():
            await self._read_unless_cooling()
            self._check_loaded()
        found = fitting(self._current(), kid, algorithm)
        if found or kid is None or self._is_settled(kid):
            return found
        if await self._read_unless_cooling():
            self._remember_unless_known(kid)
        return fitting(self._current(), kid, algorithm)

    def trusts(self, key: VerificationKey) -> bool:
        self._refresh_when_old()
        return key in self._current()

    def publishes(self, thumbprint: str) -> bool:
        return any(key.thumbprint == thumbprint for key in self._keys)

    def _current(self) -> tuple[VerificationKey, ...]:
        return self._keys if self._now() - self._loaded_at < KEEP_MS else ()

    def _check_loaded(self) -> None:
        if not self._current():
            raise UnavailableError("The identity provider's keys could not be read.", retry_after_ms=COOLDOWN_MS)

    def _is_settled(self, kid: str) -> bool:
        """Tell whether a read could bring nothing new: the key is there for another algorithm, or was just not."""
        if any(key.kid == kid for key in self._current()):
            return True
        refused_at = self._unknown.get(kid)
        return refused_at is not None and _within(UNKNOWN_KID_MS, refused_at, self._now())

    def _remember_unless_known(self, kid: str) -> None:
        if any(key.kid == kid for key in self._current()):
            return
        self._unknown.pop(kid, None)
        self._unknown[kid] = self._now()
        if len(self._unknown) > MAX_UNKNOWN_KIDS:
            del self._unknown[next(iter(self._unknown))]

    async def _keep_young(self) -> None:
        """Read the keys before they are old, asked for or not: the first token after a quiet night meets fresh ones."""
        while True:
            await asyncio.sleep(self._look_seconds)
            self._refresh_when_old(TTL_MS - LOOK_MS)

    def _refresh_when_old(self, span: int = TTL_MS) -> None:
        if not _within(span, self._loaded_at, self._now()) and not self._is_cooling():
            self._begin_read()

    def _is_cooling(self) -> bool:
        return self._attempted_at is not None and _within(COOLDOWN_MS, self._attempted_at, self._now())

    async def _read_unless_cooling(self) -> bool:
        """Read or join the read that is under way; tell whether one succeeded."""
        if self._is_cooling() and (self._flight is None or self._flight.done()):
            return False
        return await self._read()

    async def _read(self) -> bool:
        flight = self._begin_read()
        # Waited for, not awaited: who gives up waiting must not end the read for the others.
        await asyncio.wait({flight})
        return not flight.cancelled() and flight.result()

    def _begin_read(self) -> asyncio.Task[bool]:
        if self._flight is None or self._flight.done():
            self._attempted_at = self._now()
            self._flight = asyncio.create_task(self._load(), name="jwks-read")
        return self._flight

    async def _load(self) -> bool:
        try:
            keys = parse_key_set(await self._document.read())
        except KeySetError as failure:
            self.failures += 1
            kept = len(self._current())
            log.warning("jwks_read_failed", issuer=self._issuer, reason=str(failure), keys_kept=kept)
            return False
        if keys != self._keys:
            log.info("jwks_changed", issuer=self._issuer, keys=len(keys))
        self._keys, self._loaded_at = keys, self._now()
        return True


class HTTPDocument:
    """A JWK Set at an address from the configuration; nothing that a token says changes where it is read.

    Raises:
        ValueError: the address is neither https nor http on this machine.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        local = is_loopback(parts.hostname or "")
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise ValueError("a JWK Set is read over https only")
        self._url = url
        self._timeout_s = timeout_s
        # A proxy from the environment is for the world outside, not for this machine.
        self._client = httpx2.AsyncClient(timeout=timeout_s, follow_redirects=False, trust_env=not local)

    async def read(self) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._fetch()
        except TimeoutError as error:
            raise KeySetError(f"the provider took longer than {self._timeout_s:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise KeySetError(f"the provider could not be asked ({type(error).__name__})") from error

    async def close(self) -> None:
        await self._client.aclose()

    async def _fetch(self) -> bytes:
        # Uncompressed, so that few bytes can't become many.
        headers = {"accept": "application/json, application/jwk-set+json", "accept-encoding": "identity"}
        async with self._client.stream("GET", self._url, headers=headers) as response:
            if response.status_code != httpx2.codes.OK:
                raise KeySetError(f"the provider answered {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise KeySetError("the provider sent a compressed answer unasked")
            document = bytearray()
            async for chunk in response.aiter_raw():
                document += chunk
                _check_size(document)
        return bytes(document)


class FileDocument:
    """A JWK Set in a file, for installations that reach no provider."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> bytes:
        return await asyncio.to_thread(read_key_file, self._path)

    async def close(self) -> None:
        """There is nothing held open."""


def read_key_file(path: Path) -> bytes:
    """Read a JWK Set from a file.

    Raises:
        KeySetError: it can't be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            document = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise KeySetError(f"the file could not be read ({error.strerror})") from error
    _check_size(document)
    return document


def _check_size(document: bytes | bytearray) -> None:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise KeySetError(f"it is larger than {MAX_DOCUMENT_BYTES // 1024} KiB")


def _within(span: int, since: int, now: int) -> bool:
    """Tell whether the span is still running; one that begins in the future has ended, since the clock was set back."""
    return 0 <= now - since < span
