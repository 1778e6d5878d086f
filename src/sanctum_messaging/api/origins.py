"""Which web pages may call: one list for CORS and for the handshake of the socket."""

from __future__ import annotations

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_SCHEMES = {"ws": "http", "wss": "https"}


class OriginPolicy:
    """The origins that may call. An empty list admits any, without credentials."""

    def __init__(self, origins: tuple[str, ...], *, credentials: bool) -> None:
        """Keep the list.

        Raises:
            ValueError: credentials without a list would let any page act for whoever looks at it.
        """
        if credentials and not origins:
            raise ValueError("credentials need a list of origins")
        self.credentials = credentials
        self.listed = bool(origins)
        self._origins = frozenset(_normal(origin) for origin in origins)

    def allows(self, origin: str | None, *, scheme: str, host: str | None) -> bool:
        """Tell whether a page of this origin may call; ``scheme`` and ``host`` are the request's own.

        No origin, or one equal to the request's own, is always allowed.
        """
        if origin is None or not self.listed:
            return True
        wanted = _normal(origin)
        return wanted in self._origins or (
            host is not None and wanted == _normal(f"{_SCHEMES.get(scheme, scheme)}://{host}")
        )


def _normal(origin: str) -> str:
    lowered = origin.lower()
    return lowered.removesuffix(_DEFAULT_PORTS.get(lowered.partition(":")[0], "\0"))
