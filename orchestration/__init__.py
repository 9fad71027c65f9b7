"""Runs the chain: Dagster assets, fits, publishing and the command line."""
