"""How the dashboard is started: a command line and an environment, so that nothing depends on a file in the working
folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dashboard.access import ROLE_VARIABLE, TIER_VARIABLE, grant_of
from ingest.settings import Settings

APP = Path(__file__).resolve().parent / "app.py"
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
