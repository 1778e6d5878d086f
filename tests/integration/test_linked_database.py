"""A file that is reached by several names is one database, and serves one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.bootstrap.copying import copy_installation
from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.config import ConfigError, load_config
from tests.integration.calling import open_api

if TYPE_CHECKING:
    from pathlib import Path


async def test_who_comes_by_a_link_finds_it_in_use(tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "messaging.db"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "data" / "messaging.db")
    async with open_api(tmp_path / "data"):
        with pytest.raises(ConfigError, match="is in use by another process"):
            async with open_service(load_config({"DATA_DIR": str(link.parent)}, dev=True)):
                pass
        with pytest.raises(ConfigError, match=r"is in use by another process .*: stop it first"):
            copy_installation(f"sqlite:///{link}", "postgresql://127.0.0.1:1/none")
        assert (tmp_path / "data" / "messaging.db.control").is_socket()
