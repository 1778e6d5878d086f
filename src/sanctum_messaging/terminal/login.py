"""Who calls which service, and where what he wrote is kept until it is sent."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.terminal.options import StartError

if TYPE_CHECKING:
    from collections.abc import Callable

DEVICE = "terminal"
TOKEN_SECONDS = 3600


class _Claims(msgspec.Struct):
    sub: str


@dataclass(frozen=True, slots=True)
class Login:
    """A service, a user there, and what gives his tokens."""

    url: str
    user: str
    token: str | Callable[[], str]

    @property
    def outbox_folder(self) -> Path:
        """Where his messages wait, apart from those of others and for other services."""
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        name = hashlib.sha256(f"{self.url} {self.user}".encode()).hexdigest()[:16]
        return state / "sanctum" / name / "outbox"


def find_login(url: str, *, token: str | None, user: str | None, data_dir: str | None) -> Login:
    """Take the token that was given, or be a user of a service for development.

    Raises:
        StartError: there is neither, or it is of no use.
    """
    if not url.startswith(("http://", "https://")):
        raise StartError("--url: it begins with http:// or https://")
    if user is not None:
        return Login(url.rstrip("/"), user, _development_tokens(user, data_dir))
    if token is not None:
        return Login(url.rstrip("/"), _subject_of(token), token)
    raise StartError("Say who calls: --token or SANCTUM_TOKEN, or --user at a service started with --dev.")


def _development_tokens(user: str, data_dir: str | None) -> Callable[[], str]:
    # Whoever has a token needs none of this, which takes longer to import than all the rest.
    from sanctum_messaging.bootstrap.identity import development_issuer  # noqa: PLC0415
    from sanctum_messaging.config import ConfigError, load_config  # noqa: PLC0415
    from sanctum_messaging.domain.errors import InvalidError  # noqa: PLC0415

    def issue() -> str:
        return issuer.issue(user, device=DEVICE, ttl=TOKEN_SECONDS)

    try:
        config = load_config(os.environ, {"DATA_DIR": data_dir}, only=("DATA_DIR",))
        if not config.data_dir.is_dir():
            raise StartError(f"--user: there is no {config.data_dir} here; --data-dir names that of the service")
        issuer = development_issuer(config)
        issue()
    except ConfigError as error:
        raise StartError("\n".join(map(str, error.faults))) from error
    except InvalidError as error:
        raise StartError(error.detail) from None
    return issue


def _subject_of(token: str) -> str:
    """Read whose token it is, without proving it: the service does that."""
    try:
        payload = token.split(".")[1]
        return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=="), type=_Claims).sub
    except (IndexError, binascii.Error, UnicodeError, msgspec.DecodeError):
        raise StartError("--token: it is no access token") from None
