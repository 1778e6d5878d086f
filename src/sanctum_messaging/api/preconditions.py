"""``ETag`` and ``If-Match`` (RFC 9110): a resource's version, and which one a change was decided upon."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sanctum_messaging.actions.decisions import VersionMatch
from sanctum_messaging.api.calls import find_header
from sanctum_messaging.domain.errors import SanctumError

if TYPE_CHECKING:
    from starlette.types import Scope

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*"'
_LIST = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_OURS = re.compile(r'(?<!W/)"v([1-9][0-9]{0,17})"')


def etag(version: int) -> tuple[bytes, bytes]:
    """Write the header of a resource's version."""
    return (b"etag", b'"v%d"' % version)


def read_if_match(scope: Scope) -> VersionMatch | None:
    """Read which versions a change was decided upon; a weak tag never matches, and neither does one that is not ours.

    Raises:
        SanctumError: ``bad_request``, since the header is no list of entity tags.
    """
    header = find_header(scope, b"if-match")
    return None if header is None else parse_if_match(header)


def parse_if_match(header: str) -> VersionMatch:
    """Parse the header's value.

    Raises:
        SanctumError: ``bad_request``.
    """
    if header.strip() == "*":
        return VersionMatch(None)
    if _LIST.fullmatch(header) is None:
        raise SanctumError('If-Match holds entity tags such as "v1", or *.', code="bad_request")
    return VersionMatch(frozenset(int(version) for version in _OURS.findall(header)))
