"""The claims of a token (RFC 7519) whose signature was proven, and what of them this service goes by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec

from sanctum_messaging.adapters.jwt.keys import ALGORITHMS
from sanctum_messaging.domain.model import (
    DEFAULT_TENANT,
    SERVICE_SCOPE,
    DeviceId,
    Millis,
    ProvingKey,
    SessionId,
    TenantId,
    UserId,
)
from sanctum_messaging.ports.identity import VerifiedToken, is_name

LEEWAY_MS = 30_000
"""How far the provider's clock may be off; RFC 8725 names no number, providers recommend up to a minute."""

T = TypeVar("T")

_KNOWN_SCOPES = frozenset({SERVICE_SCOPE})
# Whole seconds up to the year 9999; whatever is beyond is a mistake or an attempt.
_Seconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
_AUDIENCE = msgspec.json.Decoder(str | list[str])
_CLAIMS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SECONDS = msgspec.json.Decoder(_Seconds)
_SCOPES = msgspec.json.Decoder(str | list[str] | None)
_TEXT = msgspec.json.Decoder(str)
_OPTIONAL_TEXT = msgspec.json.Decoder(str | None)


class TokenRefused(Exception):
    """A token that proves nothing; the reason is for the log and holds nothing of the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are believed, for whom they must be meant, and which claims say what.

    All tokens are of one ``tenant``, unless ``tenant_claim`` names the claim that tells it, which is then required. The
    claim may tell the ``tenants``, or if there are none, any but the ``foreign_tenants``.
    """

    name: str
    audience: str
    tenant: TenantId = DEFAULT_TENANT
    tenant_claim: str | None = None
    tenants: frozenset[str] = frozenset()
    foreign_tenants: frozenset[str] = frozenset()
    device_claim: str = "device_id"
    session_claim: str = "sid"
    algorithms: frozenset[str] = ALGORITHMS

    def may_tell(self, tenant: str) -> bool:
        """Tell whether the issuer's claim may name the tenant."""
        return tenant in self.tenants if self.tenants else tenant not in self.foreign_tenants


@dataclass(frozen=True, slots=True)
class Claims:
    """What the token says, and from when on (in milliseconds)."""

    token: VerifiedToken
    not_before: Millis

    def check_in_force(self, now: int) -> None:
        """Compare with the clock, which may differ from the provider's.

        Raises:
            TokenRefused: it has expired, or is not valid yet.
        """
        if now >= self.token.expires_at + LEEWAY_MS:
            raise TokenRefused("expired")
        if now < self.not_before - LEEWAY_MS:
            raise TokenRefused("not valid yet")


def read_claims(payload: bytes, issuer: Issuer, thumbprint: str) -> Claims:
    """Read the claims of a token that this issuer signed, with the key of this thumbprint.

    Raises:
        TokenRefused: one is missing or malformed, or the token is another issuer's or meant for somebody else.
    """
    claims = _decode(payload)
    _check_addressed(claims, issuer)
    issued_at = claims.find("iat", _SECONDS)
    device, session = claims.find_name(issuer.device_claim), claims.find_name(issuer.session_claim)
    token = VerifiedToken(
        tenant=_tenant(claims, issuer),
        subject=UserId(claims.get_name("sub")),
        device=None if device is None else DeviceId(device),
        session=None if session is None else SessionId(session),
        scopes=_scopes(claims),
        expires_at=Millis(claims.get("exp", _SECONDS) * 1000),
        token_id=claims.find_name("jti"),
        issued_at=None if issued_at is None else Millis(issued_at * 1000),
        proven_by=ProvingKey(issuer.name, thumbprint),
    )
    # What was issued in the future would count as newer than whatever is revoked now.
    begins = max(claims.find("nbf", _SECONDS) or 0, issued_at or 0)
    return Claims(token, Millis(begins * 1000))


def read_issuer(payload: bytes) -> str:
    """Read who a token says it is from, which chooses the keys that have to prove it and nothing else.

    Raises:
        TokenRefused: it says nothing that can be read.
    """
    return _decode(payload).get("iss", _TEXT)


class _Reader:
    """Claims that are decoded one by one, so that only those that count can be at fault."""

    def __init__(self, claims: dict[str, msgspec.Raw]) -> None:
        self._claims = claims

    def get(self, name: str, decoder: msgspec.json.Decoder[T]) -> T:
        if name not in self._claims:
            raise TokenRefused(f"the claim {name} is missing")
        try:
            return decoder.decode(self._claims[name])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise TokenRefused(f"the claim {name} is malformed") from error

    def find(self, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        return self.get(name, decoder) if name in self._claims else None

    def get_name(self, name: str) -> str:
        return _check_name(name, self.get(name, _TEXT))

    def find_name(self, name: str) -> str | None:
        text = self.find(name, _OPTIONAL_TEXT)
        return None if text is None else _check_name(name, text)


def _decode(payload: bytes) -> _Reader:
    try:
        return _Reader(_CLAIMS.decode(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TokenRefused("the claims are not a JSON object") from error


def _check_addressed(claims: _Reader, issuer: Issuer) -> None:
    if claims.get("iss", _TEXT) != issuer.name:
        raise TokenRefused("another issuer")
    audience = claims.get("aud", _AUDIENCE)
    if issuer.audience not in ([audience] if isinstance(audience, str) else audience):
        raise TokenRefused("another audience")


def _tenant(claims: _Reader, issuer: Issuer) -> TenantId:
    if issuer.tenant_claim is None:
        return issuer.tenant
    tenant = claims.get_name(issuer.tenant_claim)
    if not issuer.may_tell(tenant):
        raise TokenRefused("a tenant that the issuer may not tell")
    return TenantId(tenant)


def _check_name(name: str, text: str) -> str:
    if not is_name(text):
        raise TokenRefused(f"the claim {name} is not 1 to 255 characters without controls")
    return text


def _scopes(claims: _Reader) -> frozenset[str]:
    """Read ``scope`` as RFC 8693 writes it, separated by spaces, or as the list that some providers send.

    What means nothing here is not kept: a token may bear a thousand, and thousands of tokens are remembered.
    """
    scope = claims.find("scope", _SCOPES)
    return _KNOWN_SCOPES.intersection(scope.split(" ") if isinstance(scope, str) else scope or ())
