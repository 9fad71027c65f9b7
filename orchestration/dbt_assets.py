"""dbt's models as Dagster assets, in three steps with Python between them; dbt's tests are their checks."""

# No `from __future__ import annotations` here: Dagster reads the types of an asset's parameters.
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets
from packaging.version import Version

from ingest.settings import Settings
from orchestration import progress
from orchestration.chain_run import ChainRun
from orchestration.dbt_runner import build_arguments, dbt_child, share_parse, step_folder

CATALOGUE = dg.AssetKey(["lake", "catalogue"])
FITS = dg.AssetKey(["fits", "progress"])
LEDGER = dg.AssetKey(["ledger", "decision"])
DISCLOSURE = dg.AssetKey(["disclosure", "pattern"])
OWNERS = ["team:data"]
# Which Python asset fills the tables of a dbt source, and which must have run before each step begins.
_SOURCES = {"lake": CATALOGUE, "fits": FITS, "ledger": LEDGER, "disclosure": DISCLOSURE}
_BEFORE = {1: CATALOGUE, 2: FITS, 3: DISCLOSURE}


class DbtCli(DbtCliResource):
    """dbt as a child process and nothing more.

    The library would ask `dbt --version`, which asks a package index for the newest version, and would load dbt's
    adapter into
    this process as well, for row counts we do not fetch: neither is wanted here.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Any) -> Any:
        return None


def dbt_resource(settings: Settings) -> DbtCli:
    """The dbt command line over this installation's project."""
    folder = str(settings.dbt_project_dir)
    return DbtCli(project_dir=folder, profiles_dir=folder, dbt_executable=dbt_child(settings))


class Translator(DagsterDbtTranslator):
    """Keys are schema and table; every model has an owner, a group (its schema), and waits for the Python asset of
    its step.
    """

    def __init__(self) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return _SOURCES[dbt_resource_props["source_name"]]
        return dg.AssetKey(
            [dbt_resource_props["schema"], dbt_resource_props.get("alias") or dbt_resource_props["name"]]
        )

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return OWNERS

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        fallback = f"{dbt_resource_props['resource_type']} {dbt_resource_props['name']} of the dbt project."
        return str(dbt_resource_props.get("description") or fallback)

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        spec: dg.AssetSpec = super().get_asset_spec(manifest, unique_id, project)
        props = self.get_resource_props(manifest, unique_id)
        step = step_of(props)
        known = {dep.asset_key for dep in spec.deps}
        if step is not None and _BEFORE[step] not in known:
            spec = spec.merge_attributes(deps=[_BEFORE[step]])
        return spec


def step_of(props: Mapping[str, Any]) -> int | None:
    """The step a model is built in, by its tag; None for what no step builds."""
    tagged = [step for step in _BEFORE if f"step_{step}" in props.get("tags", [])]
    return tagged[0] if tagged else None


def dbt_step(manifest: Mapping[str, Any], step: int, translator: Translator) -> dg.AssetsDefinition:
    """The assets of one step: one `dbt build` of what carries its tag."""

    @dbt_assets(
        manifest=manifest,
        select=f"tag:step_{step}",
        exclude="resource_type:unit_test",
        name=f"dbt_step_{step}",
        dagster_dbt_translator=translator,
    )
    def build_step(context: dg.AssetExecutionContext, chain: ChainRun, dbt: DbtCli) -> Iterator[Any]:
        settings = chain.settings
        share_parse(settings, step)
        with progress.step(f"dbt step {step} of {len(_BEFORE)}"):
            arguments = build_arguments(settings, chain.day, full_refresh=chain.full_refresh)
            events = dbt.cli(arguments, context=context, target_path=step_folder(settings, step)).stream()
            for done, event in enumerate(events, 1):
                progress.live(f"dbt step {step} of {len(_BEFORE)}: {done:,} models and tests done")
                yield event

    return build_step


def keys_of(assets: dg.AssetsDefinition) -> list[dg.AssetKey]:
    """The keys of a step's assets, sorted."""
    return sorted(assets.keys, key=lambda key: tuple(key.path))
