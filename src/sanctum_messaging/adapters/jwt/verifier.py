"""Proves JWTs of the issuers that are trusted (RFC 7519, with the advice of RFC 8725)."""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.adapters.jwt.claims import Claims, Issuer, TokenRefused, read_claims, read_issuer
from sanctum_messaging.adapters.jwt.keys import KeySource, VerificationKey
from sanctum_messaging.domain.errors import UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sanctum_messaging.domain.model import ProvingKey
    from sanctum_messaging.ports.identity import VerifiedToken

MAX_TOKEN_BYTES = 8 * 1024
"""Checked before anything is decoded. Tokens with many groups come to 4 KiB; proxies cut headers at 8."""

MAX_KID_CHARACTERS = 256
"""A ``kid`` is remembered when it is unknown, so it has to be small."""

MAX_REMEMBERED = 10_000
"""Proven tokens that are not proven again: one for each connection that an instance is made for."""

_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""RFC 9068 section 4 and RFC 7515 section 4.1.9; compared without case."""

_COMPACT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""Three parts, none of them empty; five would be encrypted."""

_FROM_URL = bytes.maketrans(b"-_", b"+/")
_LAST_CHARACTERS = {1: b"AEIMQUYcgkosw048", 2: b"AQgw", 3: b""}
"""By how many characters a part has less than a multiple of four; one character alone is no byte."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer, and the keys that prove its tokens."""

    issuer: Issuer
    keys: KeySource


class JWTVerifier:
    """A TokenVerifier. Call ``start`` before the first ``verify`` and ``close`` at the end.

    The issuers, each of another name, know nothing of one another: a token is proven by the keys of the one that it
    names, and what befalls the keys of one touches no token of another.
    """

    def __init__(self, trusted: Iterable[TrustedIssuer], now: Callable[[], int]) -> None:
        self.trusted = {each.issuer.name: each for each in trusted}
        self._now = now
        self.proven = _ProvenTokens()

    async def start(self) -> None:
        async with asyncio.TaskGroup() as reads:
            for each in self.trusted.values():
                reads.create_task(each.keys.start())

    async def close(self) -> None:
        async with asyncio.TaskGroup() as ends:
            for each in self.trusted.values():
                ends.create_task(each.keys.close())

    async def verify(self, token: str) -> VerifiedToken:
        try:
            claims = await self._prove(_encode(token))
            claims.check_in_force(self._now())
        except TokenRefused as refusal:
            raise UnauthenticatedError(refused=refusal.reason) from None
        return claims.token

    def trusts(self, key: ProvingKey) -> bool:
        return self.trusted[key.issuer].keys.publishes(key.thumbprint)

    async def _prove(self, token: bytes) -> Claims:
        digest = hashlib.sha256(token).digest()
        known = self.proven.find(digest)
        if known is not None and known.trusted.keys.trusts(known.key):
            return known.claims
        _check_form(token)
        header = _read_header(token)
        payload = _decode_part(token.split(b".")[1])
        trusted = self.trusted.get(read_issuer(payload))
        if trusted is None:
            raise TokenRefused("another issuer")
        if header.alg not in trusted.issuer.algorithms:
            raise TokenRefused("the algorithm is not allowed")
        keys = await trusted.keys.find(header.kid, header.alg)
        if not keys:
            raise TokenRefused("no key of the issuer fits kid and alg")
        key = _find_signer(token, header.alg, keys)
        claims = read_claims(payload, trusted.issuer, key.thumbprint)
        self.proven.remember(digest, _Proof(claims, trusted, key))
        return claims


@dataclass(frozen=True, slots=True)
class _Proof:
    """What a token says, and by which key of whom that is proven."""

    claims: Claims
    trusted: TrustedIssuer
    key: VerificationKey


class _ProvenTokens:
    """The tokens that were proven last, by digest, so that memory holds none of them.

    An entry says nothing about the present: whether the token is in force and its key trusted is asked at each use. One
    that has expired stays until it is pushed out, so that its next refusal costs no proof.
    """

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[bytes, _Proof] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, digest: bytes) -> _Proof | None:
        if digest not in self._entries:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(digest)
        return self._entries[digest]

    def remember(self, digest: bytes, proof: _Proof) -> None:
        self._entries[digest] = proof
        if len(self._entries) > MAX_REMEMBERED:
            self._entries.popitem(last=False)


class _Header(msgspec.Struct):
    """What is read of the header. Where it offers a key of its own (jku, jwk, x5u, x5c), nobody looks."""

    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    b64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_HEADER = msgspec.json.Decoder(_Header)


def _encode(token: str) -> bytes:
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenRefused("larger than 8 KiB")
    # Two texts never become the same bytes: what was proven is found again by them, before its form is looked at.
    return token.encode("utf-8", "surrogatepass")


def _check_form(token: bytes) -> None:
    if not _COMPACT.fullmatch(token):
        raise TokenRefused("not a signed token in compact form")


def _read_header(token: bytes) -> _Header:
    try:
        header = _HEADER.decode(_decode_part(token.partition(b".")[0]))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TokenRefused("the header is malformed") from error
    if header.crit is not msgspec.UNSET or header.b64 is not msgspec.UNSET:
        raise TokenRefused("the header asks for an extension")
    if header.typ is not None and header.typ.casefold() not in _TYPES:
        raise TokenRefused("the type is not that of an access token")
    if header.kid is not None and len(header.kid) > MAX_KID_CHARACTERS:
        raise TokenRefused("the kid is too long")
    return header


def _decode_part(encoded: bytes) -> bytes:
    """Decode base64url, of which one spelling is taken only: the bits that the last character leaves over are zero."""
    padding = -len(encoded) % 4
    if padding and encoded[-1] not in _LAST_CHARACTERS[padding]:
        raise TokenRefused("a part is not base64url")
    return binascii.a2b_base64(encoded.translate(_FROM_URL) + b"=" * padding)


def _find_signer(token: bytes, algorithm: str, keys: tuple[VerificationKey, ...]) -> VerificationKey:
    """Find the key that proves the token; several may bear one ``kid``."""
    signed, _, encoded = token.rpartition(b".")
    signature = _decode_part(encoded)
    for each in keys:
        if each.proves(signed, signature, algorithm):
            return each
    raise TokenRefused("the signature proves nothing")
