"""How the dashboard is started: a command line and an environment, so that nothing depends on a file in the working
folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dashboard.access import ROLE_VARIABLE, TIER_VARIABLE, role_of_tier
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
    settings: Settings, tier: str = "public", port: int = 8501, address: str = "127.0.0.1"
) -> tuple[list[str], dict[str, str]]:
    """The command and the environment that serve one tier of one home.

    Parameters: `tier`, public, leaders or pupils; `port`, `address`, where to listen.
    Raises: `AccessError` for an unknown tier.
    """
    role_of_tier(tier)
    options = _OPTIONS | {"server.port": str(port), "server.address": address}
    command = [sys.executable, "-m", "streamlit", "run", str(APP)]
    for name, value in options.items():
        command += [f"--{name}", value]
    environment = {**os.environ, "EVERYPUPIL_HOME": str(settings.home), TIER_VARIABLE: tier}
    if tier != "pupils":
        # A role left over from another process must not widen this one.
        environment.pop(ROLE_VARIABLE, None)
    return command, environment
