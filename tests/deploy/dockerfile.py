"""As much of the Dockerfile and of `.dockerignore` as it takes to do without an engine what it says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[2]

_CONTINUED = re.compile(r"\\\n\s*")
_COMMENT = re.compile(r"^\s*#.*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, such as COPY, with all that follows it in one line."""

    name: str
    text: str

    def words(self) -> list[str]:
        """Split what is meant for no shell: as JSON if it is JSON, else at the blanks."""
        start = self.text.find("[")
        found: list[str] = json.loads(self.text[start:]) if start >= 0 else shlex.split(self.text)
        return found


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands between one FROM and the next."""

    base: str
    name: str | None
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """List the instructions of one kind."""
        return [each for each in self.instructions if each.name == name]

    def last(self, name: str) -> Instruction:
        """Find the instruction of a kind that counts where there may be several."""
        return self.all(name)[-1]

    def environ(self) -> dict[str, str]:
        """Read what ENV sets."""
        pairs = (pair.partition("=") for each in self.all("ENV") for pair in each.words())
        return {name: value for name, _, value in pairs}

    def sources(self) -> list[str]:
        """List what is copied from the context."""
        copies = [shlex.split(each.text) for each in self.all("COPY")]
        return [word for words in copies if not words[0].startswith("--from=") for word in words[:-1]]


def read_stages() -> list[Stage]:
    """Read the Dockerfile."""
    text = _CONTINUED.sub("", _COMMENT.sub("", (ROOT / "Dockerfile").read_text("utf-8")))
    stages: list[Stage] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            base, *alias = rest.split(" AS ")
            stages.append(Stage(base, alias[0] if alias else None))
        else:
            stages[-1].instructions.append(Instruction(name, rest))
    return stages


def copy_context(source: str, target: Path) -> None:
    """Copy a file or folder from the context, as COPY does: without what `.dockerignore` keeps back."""
    path = ROOT / source
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    for file in files:
        name = file.relative_to(ROOT)
        if not is_ignored(name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / name)


def is_ignored(name: Path) -> bool:
    """Tell whether a file stays behind: the last line that names it, or a folder it is in, decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.removeprefix("!").strip()
        if pattern and not pattern.startswith("#") and _names(pattern, name):
            ignored = not line.startswith("!")
    return ignored


def _names(pattern: str, name: Path) -> bool:
    tried = [name, *list(name.parents)[:-1]]
    if pattern.startswith("**/"):
        return any(fnmatchcase(each.name, pattern.removeprefix("**/")) for each in tried)
    # A star ends at a slash, and none of our patterns has both.
    return any(fnmatchcase(str(each), pattern) for each in tried if "/" not in str(each) or "*" not in pattern)
