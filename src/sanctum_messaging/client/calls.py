"""What the methods of every noun share: one HTTP call, and how arguments are written."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Raw, UnsetType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sanctum_messaging.client.http import HTTP


class Calls:
    """The root of the methods of each noun."""

    _http: HTTP


def path_of(*segments: str) -> str:
    """Write the path of a call; an id in it can't lead to another call, whoever made it up."""
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)


def write_metadata(metadata: Mapping[str, object] | None) -> Raw | UnsetType:
    """Write metadata down, once: a repeat has to have the same bytes."""
    return UNSET if metadata is None else Raw(msgspec.json.encode(metadata))


def if_match(version: int | None) -> dict[str, str]:
    """Write the version that is to be changed; none for whichever it is."""
    return {"If-Match": "*" if version is None else f'"v{version}"'}


def idempotency_key(key: str | None) -> dict[str, str]:
    """Write the key of a creation, if it has one."""
    return {} if key is None else {"Idempotency-Key": key}
