"""Where a connection is with its request."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """The part of a request that is next, or what is done with the rest."""

    WAITING = auto()
    HEAD = auto()
    BODY = auto()
    """The answer may be under way already, or over."""
    ANSWERING = auto()
    LEAVING = auto()
    """Whatever still comes is thrown away; the connection ends with the answer."""


# An enum's member is looked up at ten times the price of a module's name, and these are asked for many times a request.
WAITING = Phase.WAITING
HEAD = Phase.HEAD
BODY = Phase.BODY
ANSWERING = Phase.ANSWERING
LEAVING = Phase.LEAVING


class StopParsingError(Exception):
    """Raised through the parser, which then must not be fed any more."""
