"""The ways in which a service takes its sockets, each with the settings that choose it."""

from __future__ import annotations

ENDPOINTS: dict[str, dict[str, str]] = {
    "asgi": {},
}
