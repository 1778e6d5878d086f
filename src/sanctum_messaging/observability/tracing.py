"""Traces, as the code sees them: what begins, what is linked to what, and nothing about how they are exported.

There is one span for each HTTP request, one for each batch that holds an append of a recorded one, and one for each
delivery of such a batch; never one for each recipient. Where nobody wants traces there is no tracer, and asking whether
there is one is all that it costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager


class Link(Protocol):
    """Which span, for another one to name it."""


class Span(Protocol):
    """Something that takes its time."""

    def note(self, **attributes: str | int) -> None:
        """Say more about it: names and numbers of ours, nothing that a client wrote."""
        ...

    def rename(self, name: str) -> None:
        """Call it by what it turned out to be."""
        ...

    def end(self) -> None:
        """Be done with it; once."""
        ...


class Tracer(Protocol):
    """Makes spans. Nothing here waits, nor fails because of where they are exported to."""

    def follow(self, name: str, traceparent: str | None) -> AbstractContextManager[Span]:
        """Be in a span that goes on with the trace of a caller, if he has one; what he says can't fail it."""
        ...

    def commit(self, name: str, links: Sequence[Link]) -> AbstractContextManager[Span]:
        """Be in a span with a trace of its own that is linked to others."""
        ...

    def begin(self, name: str, link: Link) -> Span:
        """Begin a span with a trace of its own that is linked to another one."""
        ...

    def find_current(self) -> Link | None:
        """Find the span that this is in, if it is recorded."""
        ...
