"""The development issuer: an identity provider of one key, for a service that was started with ``--dev``.

Its private key lies in the data directory, so that tokens can be issued beside a running service and outlive it.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from sanctum_messaging.adapters.jwt.claims import Issuer
from sanctum_messaging.domain.errors import InvalidError
from sanctum_messaging.domain.model import DEFAULT_TENANT
from sanctum_messaging.ports.identity import is_name

if TYPE_CHECKING:
    from collections.abc import Callable

DEVELOPMENT = Issuer(name="sanctum-development", audience="sanctum", tenant_claim="tenant")
"""What the verifier goes by that believes this issuer."""

KEY_FILE = "development-key.json"

_ALGORITHM: Final = "Ed25519"


class DevelopmentKeyError(Exception):
    """The key can neither be read nor made; the text says why."""


class DevelopmentIssuer:
    """Signs tokens that a verifier for :data:`DEVELOPMENT` believes."""

    def __init__(self, key: OKPKey, now: Callable[[], int]) -> None:
        self._key = key
        self._now = now

    @classmethod
    def at(cls, data_dir: Path, now: Callable[[], int]) -> Self:
        """Take the key of this data directory, and make directory and key where there are none.

        Processes that start at the same time end up with the same key.

        Raises:
            DevelopmentKeyError: the directory can't be written, or the file in it is no key.
        """
        path = data_dir / KEY_FILE
        try:
            if not path.exists():
                _make_key(path)
            return cls(_read_key(path), now)
        except OSError as error:
            raise DevelopmentKeyError(f"{KEY_FILE} can be neither read nor made there ({error.strerror})") from error
        except (msgspec.MsgspecError, JoseError, ValueError) as error:
            raise DevelopmentKeyError(f"{KEY_FILE} in it is not a key; delete it to get a new one") from error

    def issue(
        self,
        user: str,
        *,
        device: str | None = None,
        session: str | None = None,
        tenant: str = DEFAULT_TENANT,
        ttl: int = 3600,
        scope: str | None = None,
    ) -> str:
        """Sign a token for ``ttl`` seconds from now.

        Raises:
            InvalidError: a name is not one that the service would accept.
        """
        names = {"sub": user, "tenant": tenant, "device_id": device, "sid": session}
        for claim, name in names.items():
            if name is not None and not is_name(name):
                raise InvalidError.of_field(
                    claim, "malformed", f"{claim} must be 1 to 255 characters without controls."
                )
        now = self._now() // 1000
        claims = {
            "iss": DEVELOPMENT.name,
            "aud": DEVELOPMENT.audience,
            "iat": now,
            "exp": now + ttl,
            "jti": str(uuid.uuid4()),
            "scope": scope,
            **names,
        }
        payload = msgspec.json.encode({claim: value for claim, value in claims.items() if value is not None})
        header = {"alg": _ALGORITHM, "typ": "JWT", "kid": self._key.thumbprint()}
        return jws.serialize_compact(header, payload, self._key, algorithms=[_ALGORITHM])

    def jwks(self) -> dict[str, object]:
        """Publish the public key as a JWK Set."""
        public = self._key.as_dict(private=False, kid=self._key.thumbprint(), alg=_ALGORITHM, use="sig")
        return {"keys": [public]}


def _read_key(path: Path) -> OKPKey:
    key = OKPKey.import_key(msgspec.json.decode(path.read_bytes(), type=dict[str, str | list[str]]))
    if not key.is_private or key.curve_name != _ALGORITHM:
        raise ValueError
    return key


def _make_key(path: Path) -> None:
    """Put a new key there, unless somebody else has just done so.

    A link appears at once with all that the file holds, and never replaces a file: the first process wins, and nobody
    reads half a key.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = OKPKey.generate_key(_ALGORITHM)
    # Made with mode 0600, whatever the umask.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{KEY_FILE}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(key.as_dict(private=True)))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        Path(temporary).unlink()
