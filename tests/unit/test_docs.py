"""The pages agree with the code: generated ones are current, and whatever one cites of the other is there."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import pytest

from docs.generate import PAGES, RESERVED_CLOSE_CODES, RESERVED_PROBLEMS, duty_after
from sanctum_messaging.protocol.codes import CLOSE_REASONS, PROBLEMS, CloseCode, client_reconnects

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "sanctum_messaging"
CITING = {".py", ".md", ".js", ".css", ".html", ".sql", ".toml"}

# `docs/protocol.md, "Roles"`, also where a line ends in between.
CITATION = re.compile(r'docs/([\w/.-]+\.md)(?:,[\s*#]+"([^"]+)")?')
LINK = re.compile(r"\]\(([^)\s]+)\)")
# `actions/messages.send_message` and `app.serve`, in backticks.
NAME = re.compile(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+(?:\.[A-Za-z_0-9]+){1,2})`")
TEST = re.compile(r"tests/[\w/.-]+\.py(?:::(\w+))*|`(test_\w+)`")


def pages() -> list[Path]:
    return sorted([*DOCS.rglob("*.md"), *(page for page in ROOT.glob("*.md"))])


def sources() -> list[Path]:
    folders = ("src", "tests", "examples", "bench", "docs")
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in CITING)
    return sorted([*files, *ROOT.glob("*.md")])


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@lru_cache
def headings(page: Path) -> tuple[str, ...]:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return tuple(found.strip() for found in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE))


def anchor_of(heading: str) -> str:
    """Write a heading's anchor as GitHub does."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_generated_page_is_current(page: str) -> None:
    assert (DOCS / page).read_text("utf-8") == PAGES[page](), "run `make docs`"


def test_cited_sections_exist() -> None:
    cited = [(name_of(path), *found) for path in sources() for found in CITATION.findall(path.read_text("utf-8"))]

    assert cited
    assert [each for each in cited if not is_there(*each[1:])] == []


def is_there(page: str, section: str) -> bool:
    return (DOCS / page).is_file() and (not section or section in headings(DOCS / page))


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text("utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, anchor = link.partition("#")
        linked = (page.parent / target) if target else page
        assert linked.exists(), link
        assert not anchor or anchor in {anchor_of(heading) for heading in headings(linked)}, link


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=name_of)
def test_code_that_a_page_names_exists(page: Path) -> None:
    for name in NAME.findall(page.read_text("utf-8")):
        assert names_code(name), f"there is no {name}"


def names_code(name: str) -> bool:
    """Tell whether a name is a file, or something in a module; a name that begins with no module of ours is none."""
    if any(root.joinpath(name).exists() for root in (PACKAGE, ROOT, DOCS)):
        return True
    path, _, _ = name.partition(".")
    module = PACKAGE / path
    if not (module.is_dir() or module.with_suffix(".py").is_file()):
        return "/" not in path
    try:
        resolve_name(f"sanctum_messaging.{name.replace('/', '.')}")
    except (AttributeError, ImportError):
        return False
    return True


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_tests_that_a_page_names_exist(page: Path) -> None:
    for file, functions in named_tests(page.read_text("utf-8")):
        texts = [file.read_text("utf-8")] if file else [each.read_text("utf-8") for each in ROOT.glob("tests/**/*.py")]
        for function in functions:
            assert any(re.search(rf"(def|class) {function}\b", text) for text in texts), function


def named_tests(text: str) -> Iterator[tuple[Path | None, list[str]]]:
    """Yield each test that a page names: the file, if it is told, and the functions or classes."""
    for found in TEST.finditer(text):
        path, *names = found[0].strip("`").split("::")
        if path.endswith(".py"):
            assert (ROOT / path).is_file(), f"there is no {path}"
            yield ROOT / path, names
        else:
            yield None, [path]


@pytest.mark.parametrize("code", PROBLEMS)
def test_problem_code_is_used_unless_it_is_reserved(code: str) -> None:
    assert (f'"{code}"' in code_but_for_the_catalogue()) == (code not in RESERVED_PROBLEMS)


@pytest.mark.parametrize("code", RESERVED_CLOSE_CODES)
def test_reserved_close_code_is_not_sent(code: CloseCode) -> None:
    assert f"CloseCode.{code.name}" not in code_but_for_the_catalogue()


@pytest.mark.parametrize("code", CLOSE_REASONS)
def test_duty_after_a_close_is_that_of_its_range(code: CloseCode) -> None:
    assert ("not reconnect" not in duty_after(code)) == client_reconnects(code)


@lru_cache
def code_but_for_the_catalogue() -> str:
    files = (path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "protocol" / "codes.py")
    return "\n".join(path.read_text("utf-8") for path in files)
