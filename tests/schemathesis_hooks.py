"""What the runs of Schemathesis do beyond what it can be configured to; ``schemathesis.toml`` names this module."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import schemathesis
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi import stateful

from sanctum_messaging.api.openapi.scenes import SCENES
from sanctum_messaging.api.openapi.story import CONVERSATION_ID, MESSAGE_ID

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, HookContext, Response
    from schemathesis.schemas import APIOperation

REAL_IDS = "SANCTUM_TEST_IDS"
"""Names the variable that holds a conversation's and a message's id, for the document's examples to speak of those."""
SECRET = "SANCTUM_TEST_SECRET"
"""Names the variable that holds what is written there, and must not come out to whoever calls."""


def begins_a_chain(operation: APIOperation[Any, Any, Any, Any], node: object, produced_anywhere: set[str]) -> bool:
    """Let every chain begin with a conversation; what it is about then comes by the links of the document."""
    begins: bool = operation.definition.raw["operationId"] == "postConversation"
    return begins


# Left to itself it takes users for something that the API makes, finds no call that does, and begins nowhere.
stateful.is_likely_root_transition = begins_a_chain


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Let the examples speak of a conversation that is there."""
    if REAL_IDS in os.environ:
        conversation_id, message_id = os.environ[REAL_IDS].split()
        text = json.dumps(raw_schema).replace(CONVERSATION_ID, conversation_id).replace(MESSAGE_ID, message_id)
        raw_schema.update(json.loads(text))


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Let chains of good calls come to something.

    ``Act-As`` ends every call of a user's own token with 403, and a body drawn at random makes no conversation that the
    rest of a chain could be about.
    """
    if case.meta is None or case.meta.phase.name is not TestPhase.STATEFUL or not case.meta.generation.mode.is_positive:
        return
    case.headers.pop("Act-As", None)
    examples = [scene.body for scene in SCENES if scene.operation == case.operation.definition.raw["operationId"]]
    if examples and examples[0] is not None and isinstance(case.body, dict):
        linked: dict[str, Any] = {name: case.body[name] for name in ("conversationId", "replyTo") if name in case.body}
        case.body = {**examples[0], **linked}


@schemathesis.check
def tells_no_secret(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Nothing of a conversation comes out to who is not in it."""
    if SECRET in os.environ:
        assert os.environ[SECRET] not in response.text, "an answer tells what is not for the caller"
