"""What `dagster` loads."""

import dagster as dg

from orchestration.build import build_defs


@dg.definitions
def defs() -> dg.Definitions:
    """The chain for the home that the environment names."""
    return build_defs()
