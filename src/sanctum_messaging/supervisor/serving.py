"""The service as several processes, put together."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.listening import announce, open_listener
from sanctum_messaging.supervisor.supervisor import MISCONFIGURED, Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sanctum_messaging.config import Config

_log = structlog.get_logger()


def serve_with_workers(config: Config, environ: Mapping[str, str]) -> int:
    """Serve with ``config.workers`` processes until SIGINT or SIGTERM; return the exit code.

    ``environ`` holds what the command line said too, so that the workers read the same configuration from it.

    Raises:
        ConfigError: the address can't be had.
    """
    if config.redis_url is None:
        _log.warning("redis_is_recommended", reason="without REDIS_URL the workers look for each other's messages")
    with open_listener(config) as listener:
        supervisor = Supervisor(
            _worker_command(dev=config.dev),
            listener,
            count=config.workers,
            environ=environ,
            announce=lambda: announce(config, listener),
        )
        code = asyncio.run(supervisor.run())
    if code != MISCONFIGURED:
        _log.info("stopped")
    return code


def _worker_command(*, dev: bool) -> list[str]:
    """Name the program of a worker; ``-P``: what lies in the current directory is no module of ours."""
    command = [sys.executable, "-P", "-m", "sanctum_messaging", "serve"]
    return [*command, *(["--dev"] if dev else []), "--as-worker"]
