"""How the dashboard is started: a command line and an environment, so that nothing depends on a file in the working
folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from dashboard.access import ROLE_VARIABLE, TIER_VARIABLE, grant_of
from ingest.settings import Settings

APP = Path(__file__).resolve().parent / "app.py"
_START_SECONDS = 60
_OPTIONS = {
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "viewer",
    "server.fileWatcherType": "none",
    "server.headless": "true",
    "theme.base": "light",
    "theme.primaryColor": "#12436D",
    "theme.textColor": "#0B0C0C",
    "theme.linkColor": "#12436D",
}


def dashboard_command(
    settings: Settings, role: str = "public", port: int = 8501, address: str = "127.0.0.1"
) -> tuple[list[str], dict[str, str]]:
    """The command and the environment that serve one home to one role.

    Parameters: `role`, as in `access.grant_of`; `port`, `address`, where to listen.
    Raises: `AccessError` for an unknown role, and for roles that cannot be read.
    """
    grant = grant_of(settings, role)
    options = _OPTIONS | {"server.port": str(port), "server.address": address}
    command = [sys.executable, "-m", "streamlit", "run", str(APP)]
    for name, value in options.items():
        command += [f"--{name}", value]
    # Both are set, so that a role left over from another process widens nothing.
    return command, {
        **os.environ,
        "EVERYPUPIL_HOME": str(settings.home),
        TIER_VARIABLE: grant.tier,
        ROLE_VARIABLE: grant.role,
    }


@contextlib.contextmanager
def served(settings: Settings, role: str, log: Path) -> Iterator[str]:
    """Serves one home to one role, on a free port of this machine, until the block ends; its address.

    Parameters: `role`, as in `access.grant_of`; `log`, the file to write what the server says.
    Raises: `AccessError` as above; `RuntimeError` where the server does not answer in a minute.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command, environment = dashboard_command(settings, role, port)
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            if not _answers(f"{address}/_stcore/health", process):
                raise RuntimeError(f"The dashboard did not start: {log.read_text(encoding='utf-8')[-2000:]}")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return True
        time.sleep(0.2)
    return False
