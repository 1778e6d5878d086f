"""No answer to a caller who proved who he is may be kept by anything on the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sanctum_messaging.api.routes import ROUTES

if TYPE_CHECKING:
    from tests.integration.calling import Api

_PARAMETER = re.compile(r"\{\w+\}")


async def test_s_a10_no_authenticated_route_may_be_stored(api: Api) -> None:
    """Refusals as well as answers: of each route one of both, as far as an unknown id and an empty body get."""
    assert ROUTES
    for route in ROUTES:
        path = _PARAMETER.sub("00000000-0000-7000-8000-000000000000", route.path)
        body = None if route.method in {"GET", "DELETE"} else b"{}"
        for caller in (api.user("ann"), api.service_for(), api.nobody):
            response = await caller.call(route.method, path, body)
            found = response.headers.get_list("cache-control")
            assert found == ["no-store"], (route.method, route.path, caller.name, response.status_code)
