"""What every asset of one run shares: the settings, the as-of date fixed once, and the writer lock held to the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import dagster as dg
from pydantic import PrivateAttr

from ingest.registry import Registry, load_registry
from ingest.settings import Settings
from orchestration.last_run import now
from orchestration.writer_lock import writer_lock


class ChainRun(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic only in what it yields, which is itself
    """One run of the chain.

    Parameters: `settings_json`, the settings as JSON; `as_of`, the day up to which marks count (empty: the day the
    run starts);
    `full_refresh`, whether every slice is rebuilt.
    """

    settings_json: str
    as_of: str = ""
    full_refresh: bool = False
    _day: date | None = PrivateAttr(default=None)
    _started_at: str = PrivateAttr(default="")
    _run_id: str = PrivateAttr(default="")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[ChainRun]:
        """Fixes the day and holds the writer lock for the whole run (the executor is in-process: one process, one
        run).
        """
        self._day = date.fromisoformat(self.as_of) if self.as_of else date.today()
        self._started_at = now()
        self._run_id = context.run.run_id if context.run else ""
        with writer_lock(self.settings):
            yield self

    @property
    def settings(self) -> Settings:
        return Settings.model_validate_json(self.settings_json)

    @property
    def registry(self) -> Registry:
        return load_registry(self.settings)

    @property
    def day(self) -> date:
        if self._day is None:
            raise RuntimeError("The as-of date is fixed when a run starts; this resource was used outside a run.")
        return self._day

    @property
    def started_at(self) -> str:
        return self._started_at

    @property
    def run_id(self) -> str:
        return self._run_id
