from __future__ import annotations

import pytest

from sanctum_messaging.api.problems import MethodNotAllowedError
from sanctum_messaging.api.routing import PathTree, raw_path
from sanctum_messaging.domain.errors import NotFoundError


@pytest.fixture
def tree() -> PathTree[str]:
    tree: PathTree[str] = PathTree()
    tree.add("GET", "/things", "list")
    tree.add("POST", "/things", "create")
    tree.add("GET", "/things/{thingId}", "read")
    tree.add("GET", "/things/mine", "mine")
    tree.add("DELETE", "/things/{thingId}/parts/{name}", "part")
    return tree


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/things", ("list", {})),
        ("HEAD", "/things", ("list", {})),
        ("POST", "/things", ("create", {})),
        ("GET", "/things/7", ("read", {"thingId": "7"})),
        ("GET", "/things/mine", ("mine", {})),
        ("GET", "/thin%67s/7", ("read", {"thingId": "7"})),
        ("DELETE", "/things/a%2Fb/parts/c%252Fd", ("part", {"thingId": "a/b", "name": "c%2Fd"})),
        ("DELETE", "/things/%C3%A9/parts/%E5%90%8D%20+", ("part", {"thingId": "é", "name": "名 +"})),
        ("DELETE", "/things/../parts/.", ("part", {"thingId": "..", "name": "."})),
    ],
)
def test_finds_an_endpoint_with_its_parameters(tree: PathTree[str], method: str, path: str, found: object) -> None:
    assert tree.find(method, path) == found


@pytest.mark.parametrize(
    "path", ["/", "", "/thing", "/things/", "/things//parts/x", "/things/7/parts", "/things/7/x/y"]
)
def test_finds_nothing_elsewhere(tree: PathTree[str], path: str) -> None:
    assert tree.find("GET", path) is None


@pytest.mark.parametrize("segment", ["%ff", "%00", "a%00b"])
def test_a_parameter_that_is_no_text_names_nothing(segment: str, tree: PathTree[str]) -> None:
    with pytest.raises(NotFoundError):
        tree.find("GET", f"/things/{segment}")


def test_tells_the_methods_of_a_path(tree: PathTree[str]) -> None:
    for method, path, allow in (
        ("PUT", "/things", "GET, HEAD, POST"),
        ("GET", "/things/7/parts/x", "DELETE"),
        ("HEAD", "/things/7/parts/x", "DELETE"),
    ):
        with pytest.raises(MethodNotAllowedError) as refused:
            tree.find(method, path)
        assert refused.value.allow == allow


def test_the_path_is_taken_as_it_was_sent() -> None:
    assert raw_path({"raw_path": b"/a%2Fb?x=1", "path": "/a/b"}) == "/a%2Fb"
    assert raw_path({"raw_path": None, "path": "/a b/é"}) == "/a%20b/%C3%A9"
    # Decoded once already: it must not be decoded twice.
    assert raw_path({"raw_path": None, "path": "/a%25"}) == "/a%2525"
