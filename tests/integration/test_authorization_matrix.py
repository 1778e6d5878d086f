"""Who may do what: every cell of docs/authorization.md is tried against the running service."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.protocol.frames import AnyClientFrame
from tests.integration.authorization.cases import CASES, OPERATIONS
from tests.integration.authorization.frames import CODES, FRAMES, LISTENING, SPECIAL, listen, push
from tests.integration.authorization.scene import Case, Given, Scene, path_of
from tests.integration.authorization.table import Row, read_rows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import httpx2

in_one_loop = pytest.mark.asyncio(loop_scope="module")
CALLS = read_rows("call")
SAID = read_rows("frame")
ARRIVING = {"event", "signal"}
"""What the table of frames also tells: what arrives while one listens."""
SPOILING = ("PATCH ", "DELETE ", "POST /v1/conversations/{conversationId}/participants")
"""Calls after which others would get another answer."""


def test_every_call_has_a_row_and_every_row_a_call() -> None:
    calls = {f"{route.method} {route.path}" for route in ROUTES} | {f"GET {path}" for path in OPERATIONS}
    assert {row.call for row in CALLS} == calls
    assert [row.key for row in CALLS] == list(dict.fromkeys(row.key for row in CALLS))


def test_every_way_to_try_a_row_is_one_of_a_row() -> None:
    assert set(CASES) == {row.key for row in CALLS}
    assert {*FRAMES, *LISTENING} == {row.key for row in SAID if row.call not in SPECIAL}


def test_every_frame_of_a_client_has_a_row_and_every_row_a_frame() -> None:
    ops = {frame.__struct_config__.tag for frame in get_args(AnyClientFrame)}
    assert {row.call for row in SAID} == ops | ARRIVING
    assert [row.key for row in SAID] == list(dict.fromkeys(row.key for row in SAID))


@in_one_loop
@pytest.mark.parametrize("row", CALLS, ids=str)
async def test_s_a3_each_caller_gets_what_the_table_says(scene: Scene, row: Row) -> None:
    case = CASES[row.key]
    found = {given.caller: await call(scene, row, case, given) async for given in each_given(scene, row, case)}
    assert found == row.cells


@in_one_loop
@pytest.mark.parametrize("row", [row for row in CALLS if row.cells["service alone"] == "404"], ids=str)
async def test_s_a3_a_service_that_acts_for_who_is_not_in_it_is_not_either(scene: Scene, row: Row) -> None:
    case = CASES[row.key]
    given = await scene.arrange(case, "outsider")
    for caller in ("service for outsider", "service for removed"):
        assert await call(scene, row, case, given.seen_by(caller)) == "404"


@in_one_loop
@pytest.mark.parametrize("row", [row for row in SAID if row.key in FRAMES], ids=str)
async def test_s_a3_each_frame_gets_what_the_table_says(scene: Scene, row: Row) -> None:
    case = FRAMES[row.key]
    found = {given.caller: await push(scene, row, case, given) async for given in each_given(scene, row, case)}
    assert found == row.cells


@in_one_loop
@pytest.mark.parametrize("row", [row for row in SAID if row.call in SPECIAL], ids=str)
async def test_s_a3_each_connection_gets_what_the_table_says(scene: Scene, row: Row) -> None:
    assert {caller: await SPECIAL[row.call](scene, row, caller) for caller in row.cells} == row.cells


@in_one_loop
@pytest.mark.parametrize("row", [row for row in SAID if row.key in LISTENING], ids=str)
async def test_s_a1_each_caller_hears_what_the_table_says(scene: Scene, row: Row) -> None:
    assert await listen(scene, row, LISTENING[row.key]) == row.cells


async def each_given(scene: Scene, row: Row, case: Case) -> AsyncGenerator[Given]:
    """Give each caller of a row his turn, in a world of his own where another's call would have spoilt it for him."""
    shared: Given | None = None
    for caller, cell in row.cells.items():
        spoils = cell.startswith("2") and row.call.startswith(SPOILING)
        if shared is None or spoils or case.depends_on_caller:
            given = await scene.arrange(case, caller)
            shared = shared if spoils else given
        else:
            given = shared.seen_by(caller)
        yield given


async def call(scene: Scene, row: Row, case: Case, given: Given) -> str:
    """Make a call and write down what came of it, as the table does; who is refused has changed nothing."""
    method, _, template = row.call.partition(" ")
    before = scene.digest(given.conversation_id)
    body = None if case.body is None else case.body(given)
    who = scene.callers[given.caller]
    response = await who.call(method, path_of(template, case, given), body, headers=case.headers)
    if response.is_error or method == "GET":
        assert scene.digest(given.conversation_id) == before, given.caller
    return described(response, case, given)


def described(response: httpx2.Response, case: Case, given: Given) -> str:
    """Write an answer as a cell."""
    status = response.status_code
    if response.is_error:
        code = response.json()["code"]
        return str(status) if CODES.get(status) == code else f"{status} {code}"
    if case.shows is None:
        return str(status)
    return f"{status} {'with' if case.shows(response.json(), given) else 'without'}"
