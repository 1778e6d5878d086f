"""The load balancer of the Compose file: a real nginx with the very same configuration, in front of our processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from tests.deploy.dockerfile import ROOT
from tests.servers.postgres_binaries import unprivileged_user
from tests.servers.server import NoServerError, Server, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CONFIGURATION = ROOT / "deploy" / "nginx.conf"

_ANSWER_SECONDS = 30
_WITHOUT_PORT = re.compile(r"^ *server sanctum-\d:8080 .*\n", re.MULTILINE)
"""An instance more than there are."""
_CONTAINERS_FOLDER = "/tmp/"  # noqa: S108 - the container's, where it is a file system of its own


class NginxServer(Server):
    """An nginx in front of services on these ports of this machine."""

    ENDING = signal.SIGTERM
    STOPPING = signal.SIGQUIT

    def __init__(self, folder: Path, *, binary: str, instances: Sequence[int]) -> None:
        super().__init__(folder)
        self.binary = binary
        self.instances = instances
        self._give_up_rights()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        (self.folder / "nginx.conf").write_text(self._configuration(), "utf-8")
        return [*self._named(), "-g", "daemon off;"]

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_SECONDS)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            # What nginx answers itself, whoever is behind it.
            connection.request("GET", "/metrics")
            return connection.getresponse().status == http.HTTPStatus.NOT_FOUND
        return False

    def check(self) -> str:
        """Have nginx read its configuration, and return what it says."""
        self.command()
        # Its log has to be a file that it may open anew.
        with (self.folder / "server.log").open("ab") as log:
            done = subprocess.run(
                [*self._named(), "-t"], stdout=log, stderr=subprocess.PIPE, text=True, user=self.user, check=False
            )
        return done.stderr

    def _named(self) -> list[str]:
        return [self.binary, "-e", "stderr", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]

    def _give_up_rights(self) -> None:
        """Run as nobody if we are root, as the container's is nobody: it has nothing but its folder, and its log."""
        log = self.folder / "server.log"
        log.touch()
        self.user = unprivileged_user()
        if self.user is not None:
            for path in (self.folder, log):
                os.chown(path, self.user, -1)

    def _configuration(self) -> str:
        """Put this machine's ports, and a folder of its own, where the file names those of a container."""
        text = CONFIGURATION.read_text("utf-8")
        for number, port in enumerate(self.instances, start=1):
            text = text.replace(f"sanctum-{number}:8080", f"127.0.0.1:{port}")
        text = _WITHOUT_PORT.sub("", text).replace("listen 8080 ", f"listen 127.0.0.1:{self.port} ")
        return text.replace(_CONTAINERS_FOLDER, f"{self.folder}/")


@contextlib.contextmanager
def open_nginx(*instances: int) -> Iterator[NginxServer]:
    """Start an nginx in front of services on these ports. Raises ``NoServerError`` when there is none."""
    with open_folder("nginx") as folder:
        server = NginxServer(folder, binary=find_nginx(), instances=instances)
        try:
            server.start_anywhere()
            yield server
        finally:
            server.end()


def find_nginx() -> str:
    """Find the program: on the path, or where systems keep what is not for everybody."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise NoServerError("no nginx was found, so nothing was tried through a load balancer (Debian: nginx-light)")
    return found
