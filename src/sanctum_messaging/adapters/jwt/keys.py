"""Public keys: what may be believed of a JWK Set (RFC 7517), and which algorithms each key can prove."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.jws import JWSRegistry

from sanctum_messaging.config.parsers import JWT_ALGORITHMS

if TYPE_CHECKING:
    from joserfc.jwa import JWSAlgModel

ALGORITHMS = frozenset(JWT_ALGORITHMS)

MAX_KEYS = 32
"""Providers publish two to five; a set without bound would let a token be tried against many."""

MIN_RSA_BITS = 2048
"""The least that RFC 7518 section 3.3 allows."""

_RSA = frozenset({"RS256", "PS256"})
_P256 = frozenset({"ES256"})
_ED25519 = frozenset({"EdDSA", "Ed25519"})


def _model_of(algorithm: str) -> JWSAlgModel:
    # EdDSA is the older name of the same, for which joserfc would warn (RFC 9864).
    name = "Ed25519" if algorithm == "EdDSA" else algorithm
    return JWSRegistry(algorithms=[name]).get_alg(name)


MODELS = {algorithm: _model_of(algorithm) for algorithm in ALGORITHMS}
"""What proves a signature of each algorithm that may be believed; there is none for any other."""


class KeySetError(Exception):
    """A JWK Set that could not be read; the text says why, in words of this program."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key with all that it may be used for; two are equal if they prove the same."""

    kid: str | None
    algorithms: frozenset[str]
    thumbprint: str
    key: Key = field(compare=False, repr=False)

    def proves(self, signed: bytes, signature: bytes, algorithm: str) -> bool:
        """Tell whether a signature is this key's; the algorithm must be one of its own."""
        try:
            return MODELS[algorithm].verify(signed, signature, self.key)
        except (JoseError, ValueError):
            return False


class KeySource(Protocol):
    """The issuer's keys, as they are now."""

    async def start(self) -> None:
        """Read the keys, and go on doing so until ``close``; a provider that fails now is asked again later."""
        ...

    async def find(self, kid: str | None, algorithm: str) -> tuple[VerificationKey, ...]:
        """Find the keys that may have signed a token with this header; none if the issuer has no such key.

        Raises:
            UnavailableError: the keys could not be read so far, or not for too long.
        """
        ...

    def trusts(self, key: VerificationKey) -> bool:
        """Tell whether the issuer still publishes the key."""
        ...

    def publishes(self, thumbprint: str) -> bool:
        """Tell whether such a key was among the issuer's when they were last read, however long ago; cheap."""
        ...

    async def close(self) -> None:
        """Stop reading."""
        ...


class StaticKeys:
    """Keys that don't change while the process runs."""

    def __init__(self, keys: tuple[VerificationKey, ...]) -> None:
        self._keys = keys

    async def start(self) -> None:
        """There is nothing to read."""

    async def find(self, kid: str | None, algorithm: str) -> tuple[VerificationKey, ...]:
        return fitting(self._keys, kid, algorithm)

    def trusts(self, key: VerificationKey) -> bool:
        return key in self._keys

    def publishes(self, thumbprint: str) -> bool:
        return any(key.thumbprint == thumbprint for key in self._keys)

    async def close(self) -> None:
        """There is nothing to stop."""


def fitting(keys: tuple[VerificationKey, ...], kid: str | None, algorithm: str) -> tuple[VerificationKey, ...]:
    """Find the keys for a header. A token without ``kid`` can be proven where it leaves one choice only."""
    able = tuple([key for key in keys if algorithm in key.algorithms and (kid is None or key.kid == kid)])
    return able if kid is not None or len(able) == 1 else ()


def parse_key_set(document: bytes) -> tuple[VerificationKey, ...]:
    """Read the keys of a JWK Set that can sign tokens for this service; others are passed over (RFC 7517 section 5).

    Raises:
        KeySetError: it is no JWK Set, holds too many keys, or none that can be used.
    """
    try:
        entries = msgspec.json.decode(document, type=_KeySet).keys
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise KeySetError("it is not a JWK Set") from error
    if len(entries) > MAX_KEYS:
        raise KeySetError(f"it holds more than {MAX_KEYS} keys")
    keys = tuple(key for key in map(_usable_key, entries) if key is not None)
    if not keys:
        raise KeySetError("it holds no key that can be used")
    return keys


class _JWK(msgspec.Struct):
    """What is read of a key: never the private part, should someone have published it."""

    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    key_ops: list[str] | None = None
    crv: str | None = None
    x: str | None = None
    y: str | None = None
    n: str | None = None
    e: str | None = None

    def algorithms(self) -> frozenset[str]:
        able = {("RSA", None): _RSA, ("EC", "P-256"): _P256, ("OKP", "Ed25519"): _ED25519}.get((self.kty, self.crv))
        if able is None or self.use not in {None, "sig"} or "verify" not in (self.key_ops or ["verify"]):
            return frozenset()
        if self.alg is None:
            return able
        if self.alg not in able:
            return frozenset()
        return able if able is _ED25519 else frozenset({self.alg})

    def is_weak(self) -> bool:
        """Tell whether an RSA modulus is too short; asked first, since joserfc takes such keys with a warning."""
        return self.n is not None and _bits(self.n) < MIN_RSA_BITS

    def public_part(self) -> dict[str, str | list[str]]:
        named = {"kty": self.kty, "crv": self.crv, "x": self.x, "y": self.y, "n": self.n, "e": self.e}
        return {name: value for name, value in named.items() if value is not None}


class _KeySet(msgspec.Struct):
    keys: list[msgspec.Raw]


def _bits(number: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))).bit_length()


def _usable_key(entry: msgspec.Raw) -> VerificationKey | None:
    try:
        jwk = msgspec.json.decode(entry, type=_JWK)
        algorithms = jwk.algorithms()
        if not algorithms or jwk.is_weak():
            return None
        key = JWKRegistry.import_key(jwk.public_part())
        for algorithm in algorithms:
            MODELS[algorithm].check_key(key)
    except (msgspec.MsgspecError, JoseError, ValueError, RecursionError):
        return None
    return VerificationKey(jwk.kid, algorithms, key.thumbprint(), key)
