"""Settings that every room shares, and the one place that knows where anything lies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DEFAULT_HOME = Path("data")
CONFIG_FILE = "everypupil.toml"
_AMOUNT = r"^\d+(\.\d+)?\s*(KB|MB|GB|KiB|MiB|GiB)$"


class Settings(BaseSettings):
    """Where things lie and how much of the machine may be used.

    Read from arguments, then `EVERYPUPIL_*`, then `everypupil.toml` in the home, then the one in the working directory.
    """

    model_config = SettingsConfigDict(env_prefix="EVERYPUPIL_", extra="forbid", frozen=True)

    home: Path = DEFAULT_HOME
    landing: Path | None = None
    access_log: Path | None = None
    memory_limit: str = Field("2500MB", pattern=_AMOUNT)
    result_limit: str = Field("512MB", pattern=_AMOUNT)  # of one answer of a release
    query_seconds: float = Field(120, gt=0)
    threads: int | None = Field(None, ge=1)
    ingest_workers: int = Field(2, ge=1)
    keep_releases: int = Field(5, ge=1)
    notice: str | None = Field(None, max_length=300)  # what every page and workbook says first of this home's figures
    dbt_project_dir: Path = Path(__file__).resolve().parents[1] / "dbt_project"

    @field_validator("home", "landing", "access_log", "dbt_project_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment before files; see the class."""
        home = init_settings().get("home") or os.environ.get("EVERYPUPIL_HOME") or DEFAULT_HOME
        files = [Path.cwd() / CONFIG_FILE, Path(home) / CONFIG_FILE]
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=files))

    @property
    def landing_dir(self) -> Path:
        return self.landing or self.home / "landing"

    @property
    def lake_dir(self) -> Path:
        return self.home / "lake"

    @property
    def warehouse_path(self) -> Path:
        return self.home / "warehouse" / "warehouse.duckdb"

    @property
    def releases_dir(self) -> Path:
        return self.home / "releases"

    @property
    def secrets_dir(self) -> Path:
        return self.home / "secrets"

    @property
    def state_dir(self) -> Path:
        return self.home / "state"

    @property
    def quality_dir(self) -> Path:
        return self.home / "quality"

    @property
    def access_path(self) -> Path:
        """The roles of this home, where they are not those built in."""
        return self.home / "access.yml"

    @property
    def access_log_path(self) -> Path:
        """The access log; beside it lie its head and its lock."""
        return self.access_log or self.home / "access" / "access_log.jsonl"

    @property
    def registry_dir(self) -> Path:
        return self.dbt_project_dir / "registry"

    def duckdb_config(self) -> dict[str, Any]:
        """The configuration of every DuckDB connection: one process may not open one file with two."""
        temp = self.state_dir / "duckdb_temp"
        return {
            "memory_limit": self.memory_limit,
            "threads": str(self.threads or os.cpu_count() or 1),
            "temp_directory": str(temp),
            "preserve_insertion_order": "true",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }


def load_settings(home: Path | str | None = None, **overrides: Any) -> Settings:
    """Settings for one home.

    Parameters: `home`, the folder that holds landing, lake, warehouse and releases (default: `EVERYPUPIL_HOME`,
    else `./data`); `overrides`, any field of `Settings`.
    Raises: `pydantic.ValidationError` for a value or a key that no setting has.
    """
    values = dict(overrides)
    if home is not None:
        values["home"] = Path(home)
    return Settings(**values)
