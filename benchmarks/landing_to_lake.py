"""Takes one feed of a landing folder into the lake and prints the seconds as JSON. Run as a process of its own.

`python -m benchmarks.landing_to_lake HOME LANDING FEED`
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from ingest.pipeline import ingest_feed, survey
from ingest.settings import load_settings


def main() -> None:
    home, landing, feed = sys.argv[1:4]
    settings = load_settings(Path(home), landing=Path(landing))
    started = time.perf_counter()
    report = ingest_feed(settings, feed, survey(settings))
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "rows_read": report.rows_read, "rows_accepted": report.rows_accepted}))


if __name__ == "__main__":
    main()
