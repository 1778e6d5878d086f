"""Writes what is made of the code: the pages ``errors.md`` and ``configuration.md``, and the documents of the API.

``make docs`` runs it, and a test compares the files with what it would write.
"""  # noqa: INP001 - a folder of texts and one script is no package

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.breaking import find_breaking
from docs.metrics_page import INTRODUCTION, metric_rows
from sanctum_messaging.api.asyncapi.document import create_document as describe_socket
from sanctum_messaging.api.openapi.document import create_document as describe_calls
from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.config.issuers import ISSUER_SETTINGS
from sanctum_messaging.config.variable import Variable
from sanctum_messaging.config.variables import VARIABLES
from sanctum_messaging.protocol.codes import CLOSE_REASONS, FIELD_CODES, PROBLEMS, CloseCode, client_reconnects

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DOCS = Path(__file__).parent

RESERVED_CLOSE_CODES = frozenset({CloseCode.OVERLOADED})
"""Part of the protocol, for clients to know; this version sends none of them."""
RESERVED_PROBLEMS: frozenset[str] = frozenset()
"""As above."""

_RECONNECTS = "Wait, then reconnect."
_STAYS_AWAY = "Do not reconnect."
_FAULT = "Wait, then reconnect, and do not send the same again: it is a fault of the client."
_DUTIES = {
    CloseCode.NORMAL: f"{_STAYS_AWAY} The session is over and its resume token is void.",
    CloseCode.PROTOCOL_ERROR: _FAULT,
    CloseCode.BINARY: _FAULT,
    CloseCode.NOT_UTF8: _FAULT,
    CloseCode.TOO_LARGE: _FAULT,
    CloseCode.DRAIN: "Wait, at least the `reconnectInMs` of the `drain` frame before it, then reconnect.",
    CloseCode.TOKEN_EXPIRED: "Get a fresh token, then reconnect.",
    CloseCode.BAD_FRAME: f"{_STAYS_AWAY} It is a fault of the client.",
    CloseCode.UNAUTHENTICATED: f"{_STAYS_AWAY} One attempt may be made with a fresh token; the cursor stays good.",
    CloseCode.FORBIDDEN: f"{_STAYS_AWAY} The same token will not be let in.",
    CloseCode.REPLACED: f"{_STAYS_AWAY} The session belongs to the other socket now.",
    CloseCode.TOO_MANY_CONNECTIONS: f"{_STAYS_AWAY} Close another connection of the user first.",
    CloseCode.UNSUPPORTED_VERSION: f"{_STAYS_AWAY} The client has to be updated, or offer `sanctum.v1`.",
}
"""What a client does, where it is more than the plain reconnect."""

_NOTE = "<!-- Written by docs/generate.py (`make docs`); changes made here are lost. -->"
_RESERVED = " (Reserved: not sent by this version.)"

_ERRORS = f"""# Errors

{_NOTE}

Three catalogues: problem codes, field codes and close codes. Codes are stable; titles and details are sentences for
developers and may change. A client that meets a code it does not know goes by the status, or by the range of the close
code.

## Problem codes

Every refusal is a problem document (RFC 9457, `application/problem+json`). Over HTTP it is the body; on the socket it
is the `problem` of an `error` frame, and the connection lives on.

```json
{{
  "type": "urn:sanctum:problem:invalid",
  "title": "The request makes no sense.",
  "status": 422,
  "code": "invalid",
  "detail": "See errors for the fields at fault.",
  "requestId": "01a20667-800a-773c-97e5-52001d1394e5",
  "retryable": false,
  "errors": [{{"field": "participants[0].userId", "code": "too_short"}}]
}}
```

| field | when | meaning |
|---|---|---|
| `type`, `title`, `status`, `code`, `detail` | always | the kind of problem; `type` is `urn:sanctum:problem:<code>` |
| `requestId` | always | names the request in the log; on the socket it is the `sessionId` of the connection |
| `retryable` | always | whether the same request may succeed later without a change |
| `retryAfterMs` | 429, 503 | how long to wait first; over HTTP the header `Retry-After` says the same in seconds |
| `scope` | 429 | whose limit it is: `address`, `device`, `session`, `user`, or `connection`, of one socket |
| `version` | 412, 428 | the present version of what was to be changed |
| `cursor` | 410 | where to go on after reading the lists again |
| `errors` | mostly 422 | the fields at fault, at most 20 |

"""

_FIELDS = """
## Field codes

Each entry of `errors` has the path of a `field`, such as `participants[0].role`, and one of these codes. Query
parameters and headers are named like fields.

"""

_CLOSES = """
## Close codes

The server closes a socket with one of these codes. The range tells the duty to a client that does not know the code:
below 4500 it reconnects, 1000 excepted; from 4500 on it does not. A connection that breaks without a code counts as one
below 4500. How long to wait is told in [Client duties](protocol.md#client-duties).

"""

_CONFIGURATION = f"""# Configuration

{_NOTE}

Settings are read from the environment, once, at the start. What is said on the command line (`--host`, `--port`,
`--workers`, `--data-dir`) beats the environment, and both beat [the file](#the-file) that `SANCTUM_CONFIG` names. An
empty variable counts as not set.

`sanctum config` prints the settings in effect, with secrets hidden. If anything is wrong, every fault is reported at
once, a line each, and the exit code is 2; `serve` does the same and does not start.

## Variables

"""

_SECRETS = f"""
## Secrets in files

A secret may be in a file of its own, as Docker and Kubernetes hand it in. These variables each name one, which holds
what the variable without `_FILE` would: {", ".join(f"`{each.name}_FILE`" for each in VARIABLES if each.secret)}.

They stand in the environment alone, not together with the variable that they are for, and beat
[the file of settings](#the-file) as that does. The secret is in UTF-8; blanks and line ends around it do not count.
Every process reads it once, at its start. A file that is empty or can't be read keeps the service from starting.
"""

_FILE = """
## The file

`SANCTUM_CONFIG` names a TOML file. Any variable of the table may stand in it, in lower case; switches are `true` or
`false`, numbers have no quotes, and lists are arrays. Paths in it are seen from the directory in which the service is
started. Every process reads it once, at its start: with `--workers` a process that is started again reads it anew, so
restart the service after a change. What is wrong is told with its place, such as
`SANCTUM_CONFIG: issuers[1].jwks_url: …`, and never with the value. If there are secrets in the file, let only the
service read it.

The file can also name several identity providers, which variables can't:

```toml
port = 9000
docs = false
cors_allowed_origins = ["https://app.example.com"]

[[issuers]]
issuer = "https://id.example.com/realms/staff"
audience = "messaging"
jwks_url = "https://id.example.com/realms/staff/protocol/openid-connect/certs"
tenant = "staff"

[[issuers]]
issuer = "https://login.example.org/"
audience = "https://messaging.example.com"
jwks_url = "https://login.example.org/.well-known/jwks.json"
algorithms = ["RS256"]
tenant_claim = "https://example.org/customer"
```

Each table `[[issuers]]` has these settings:

"""

_ISSUERS = """
The `iss` of a token says by whose keys it has to be proven, and by no others; no two tables have the same `issuer`. Two
issuers with the same `tenant` share its users: the same `sub` is the same user, whoever of them says so. A claim never
tells a tenant that another issuer names in `tenant` or `tenants`, unless its own `tenants` lists it. Each issuer has
keys of its own in memory: if one is down or changes its keys, the tokens of the others are not affected.

`[[issuers]]` can't stand together with `JWKS_URL`, `JWKS_FILE` and the variables that begin with `JWT_`, nor with
`--dev`: whose tokens are accepted is said in one place.
"""

_MODES = """
## Development and production

Whose tokens are accepted has no default:

- `sanctum serve --dev` makes a key in the data directory, accepts the tokens that `sanctum token` signs with it, serves
  the public key at `/.well-known/jwks.json` and the chat page at `/`. It listens on this machine only: another `HOST`
  is refused. `JWKS_URL` and `JWKS_FILE` are refused with it, and the other `JWT_` variables have no effect. There is no
  variable for `--dev`.
- Without `--dev`, `JWKS_URL` or `JWKS_FILE` is needed, with `JWT_ISSUER` and `JWT_AUDIENCE`; or `[[issuers]]` in
  [the file](#the-file).

The directory of the SQLite file, and that of the key of `--dev`, is made if it is not there. A SQLite file serves one
process: a second one is told so and ends. PostgreSQL serves any number.
"""


def errors_page() -> str:
    """Write the catalogues of problem, field and close codes."""
    problems = (
        (f"`{code}`", kind.status, _meaning(kind.title, reserved=code in RESERVED_PROBLEMS), _yes(kind.retryable))
        for code, kind in PROBLEMS.items()
    )
    closes = (
        (int(code), _meaning(reason, reserved=code in RESERVED_CLOSE_CODES), duty_after(code))
        for code, reason in CLOSE_REASONS.items()
    )
    fields = ((f"`{code}`", meaning) for code, meaning in FIELD_CODES.items())
    return (
        _ERRORS
        + _table(("code", "status", "meaning", "retryable"), problems)
        + _FIELDS
        + _table(("code", "meaning"), fields)
        + _CLOSES
        + _table(("code", "meaning", "the client"), closes)
    )


def configuration_page() -> str:
    """Write the table of variables, and what the file of settings has besides."""
    heads = ("type", "values", "default", "meaning")
    return (
        _CONFIGURATION
        + _table(("variable", *heads), map(_setting, VARIABLES))
        + _SECRETS
        + _FILE
        + _table(("setting", *heads), map(_setting, ISSUER_SETTINGS))
        + _ISSUERS
        + _MODES
    )


def metrics_page() -> str:
    """Write the table of metrics."""
    return INTRODUCTION.format(note=_NOTE) + _table(("metric", "labels", "kind", "meaning"), metric_rows())


def duty_after(code: CloseCode) -> str:
    """Tell what a client does after a close code."""
    return _DUTIES.get(code, _RECONNECTS if client_reconnects(code) else _STAYS_AWAY)


def openapi_document() -> str:
    """Write the description of the HTTP API, as ``/openapi.json`` serves it."""
    return _document(describe_calls(ROUTES))


def asyncapi_document() -> str:
    """Write the description of the socket, as ``/asyncapi.json`` serves it."""
    return _document(describe_socket())


PAGES = {"errors.md": errors_page, "configuration.md": configuration_page, "metrics.md": metrics_page}
DOCUMENTS = {"openapi.json": openapi_document, "asyncapi.json": asyncapi_document}


def main() -> None:
    """Write all pages and documents, and say which changes of the documents break clients."""
    for name, write in DOCUMENTS.items():
        for change in find_breaking(json.loads((DOCS / name).read_text("utf-8")), json.loads(write())):
            sys.stdout.write(f"{name}: breaking: {change}\n")
    for name, write in {**PAGES, **DOCUMENTS}.items():
        (DOCS / name).write_text(write(), "utf-8")


def _document(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def _meaning(sentence: str, *, reserved: bool) -> str:
    return sentence + _RESERVED if reserved else sentence


def _yes(value: object) -> str:
    return "yes" if value else ""


def _setting(variable: Variable[object]) -> tuple[str, ...]:
    return f"`{variable.name}`", variable.type, _values(variable), _default(variable), variable.meaning


def _values(variable: Variable[object]) -> str:
    return " ".join(part for part in (variable.range, variable.unit) if part)


def _default(variable: Variable[object]) -> str:
    if variable.default_text:
        return variable.default_text
    match variable.default:
        case None:
            return "none"
        case bool() as on:
            return "`on`" if on else "`off`"
        case ():
            return "empty"
        case tuple() as several:
            return f"`{','.join(map(str, several))}`"
        case value:
            return f"`{value}`"


if __name__ == "__main__":
    main()
