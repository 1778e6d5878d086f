"""The request that is sent most: one that sends a message."""

from __future__ import annotations

import itertools
import secrets

from bench.http_client import build_request
from bench.loads import BODY

_numbers = itertools.count()
_PROCESS = secrets.token_hex(4)
"""Keeps the message ids of several sending processes apart."""


def build_send(token: str, conversation: str) -> bytes:
    """Write the request that sends a new message."""
    message_id = f"{_PROCESS}-{next(_numbers)}"
    body = f'{{"conversationId":"{conversation}","clientMessageId":"{message_id}","body":"{BODY}"}}'
    return build_request("POST", "/v1/messages", token, body.encode())
