"""The table of variables: each stands here once, with what it means, how it is checked and what it is without one.

The reference page of the configuration is made of this table.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

T_co = TypeVar("T_co", covariant=True)

SQLITE = "sqlite:///"
"""What an address of a SQLite file begins with; a fourth slash makes the path absolute."""

_MAX_PORT = 65_535
_MAX_TEXT = 255
_LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
_SWITCH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Variable(Generic[T_co]):
    """One variable of the environment.

    ``parse`` raises ValueError with a sentence for the operator, which never repeats the value: it may be secret.
    ``default_text`` describes a default that depends on other variables.
    """

    name: str
    type: str
    default: T_co
    meaning: str
    parse: Callable[[str], T_co] = field(repr=False)
    unit: str = ""
    range: str = ""
    default_text: str = ""


def is_loopback(host: str) -> bool:
    """Tell whether the host is this machine and nothing else."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _text(value: str) -> str:
    if len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError(f"must be 1 to {_MAX_TEXT} printable characters")
    return value


def _host(value: str) -> str:
    if not value.isprintable() or any(character in value for character in " /[]@"):
        raise ValueError("must be an IP address without brackets, or a host name")
    return value


def _port(value: str) -> int:
    if not (value.isascii() and value.isdecimal()) or int(value) > _MAX_PORT:
        raise ValueError(f"must be a number from 0 to {_MAX_PORT}")
    return int(value)


def _log_level(value: str) -> str:
    if value.lower() not in _LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(_LOG_LEVELS)}")
    return value.lower()


def _switch(value: str) -> bool:
    if value.lower() not in _SWITCH:
        raise ValueError("must be on or off")
    return _SWITCH[value.lower()]


def _sqlite_url(value: str) -> str:
    if value.lower().startswith("postgres"):
        raise ValueError(f"PostgreSQL is not there yet; use {SQLITE}path/to/file")
    path = value.removeprefix(SQLITE)
    if path == value or unquote(path) in {"", ":memory:"} or not path.isprintable() or "?" in path or "#" in path:
        raise ValueError(f"must be {SQLITE}path/to/file, with a fourth slash if the path is absolute")
    return value


def _jwks_url(value: str) -> str:
    wrong = ValueError("must be an https address without user and fragment; http is for this machine only")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    local = parts.scheme == "http" and is_loopback(host or "")
    if not host or not (parts.scheme == "https" or local) or "@" in parts.netloc or parts.fragment or " " in value:
        raise wrong
    return value


def _file(value: str) -> Path:
    path = Path(value)
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _origins(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_origin(part.strip()) for part in value.split(",") if part.strip()))


def _origin(value: str) -> str:
    """Write an origin as browsers send it: in lower case, and without the port that the scheme implies."""
    if value == "*":
        raise ValueError("leave it empty to allow any origin")
    wrong = ValueError("must be origins such as https://app.example.com, separated by commas, without a path")
    try:
        parts = urlsplit(value.lower())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or parts.scheme not in _DEFAULT_PORTS or not value.isascii() or " " in value or "@" in value:
        raise wrong
    if parts.path or parts.query or parts.fragment or value.endswith(("/", "?", "#")):
        raise wrong
    bare = f"[{host}]" if ":" in host else host
    return (
        f"{parts.scheme}://{bare}"
        if port in {None, _DEFAULT_PORTS[parts.scheme]}
        else f"{parts.scheme}://{bare}:{port}"
    )


HOST = Variable("HOST", "host", "127.0.0.1", "Address to listen on; `0.0.0.0` or `::` for all.", _host)
PORT = Variable("PORT", "number", 8080, "Port to listen on; 0 takes a free one.", _port, range=f"0-{_MAX_PORT}")
DATA_DIR = Variable("DATA_DIR", "path", Path("sanctum-data"), "Directory of all that is stored.", Path)
DATABASE_URL = Variable(
    "DATABASE_URL",
    "address",
    None,
    "Where conversations and messages are stored.",
    _sqlite_url,
    range=f"{SQLITE}path",
    default_text="`messaging.db` in `DATA_DIR`",
)
JWKS_URL = Variable(
    "JWKS_URL",
    "address",
    None,
    "Where the identity provider publishes its keys (JWK Set). Not with `--dev`.",
    _jwks_url,
    range="https; http on this machine",
)
JWKS_FILE = Variable("JWKS_FILE", "path", None, "A file with the keys, instead of `JWKS_URL`. Not with `--dev`.", _file)
JWT_ISSUER = Variable("JWT_ISSUER", "text", None, "The `iss` of the tokens, exactly. Needed with a JWK Set.", _text)
JWT_AUDIENCE = Variable(
    "JWT_AUDIENCE", "text", None, "The `aud` that tokens for this service have. Needed with a JWK Set.", _text
)
JWT_TENANT = Variable("JWT_TENANT", "text", "default", "The tenant of all tokens.", _text)
JWT_TENANT_CLAIM = Variable(
    "JWT_TENANT_CLAIM", "claim", None, "The claim that tells a token's tenant, instead of `JWT_TENANT`.", _text
)
JWT_DEVICE_CLAIM = Variable(
    "JWT_DEVICE_CLAIM", "claim", "device_id", "The claim that tells a token's device, if it has one.", _text
)
JWT_SESSION_CLAIM = Variable(
    "JWT_SESSION_CLAIM", "claim", "sid", "The claim that tells a token's session, if it has one.", _text
)
LOG_LEVEL = Variable(
    "LOG_LEVEL", "choice", "info", "The least severe events that are logged.", _log_level, range=", ".join(_LOG_LEVELS)
)
CORS_ALLOWED_ORIGINS: Variable[tuple[str, ...]] = Variable(
    "CORS_ALLOWED_ORIGINS",
    "list",
    (),
    "The origins whose pages may call the service, separated by commas. Empty: any, without credentials.",
    _origins,
)
CORS_ALLOW_CREDENTIALS = Variable(
    "CORS_ALLOW_CREDENTIALS",
    "switch",
    default=False,
    meaning="Whether these pages may send credentials. Needs `CORS_ALLOWED_ORIGINS`.",
    parse=_switch,
    range="on, off",
)
DOCS = Variable(
    "DOCS",
    "switch",
    default=True,
    meaning="Whether `/docs` and `/openapi.json` are there.",
    parse=_switch,
    range="on, off",
)

VARIABLES: tuple[Variable[object], ...] = (
    HOST,
    PORT,
    DATA_DIR,
    DATABASE_URL,
    JWKS_URL,
    JWKS_FILE,
    JWT_ISSUER,
    JWT_AUDIENCE,
    JWT_TENANT,
    JWT_TENANT_CLAIM,
    JWT_DEVICE_CLAIM,
    JWT_SESSION_CLAIM,
    LOG_LEVEL,
    CORS_ALLOWED_ORIGINS,
    CORS_ALLOW_CREDENTIALS,
    DOCS,
)
