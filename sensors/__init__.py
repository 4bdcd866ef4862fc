"""Decisions about when to audit, as pure functions, and the thin Dagster sensors around them."""
