"""Decides what may be published: expectations, reconciliation, disclosure control."""
