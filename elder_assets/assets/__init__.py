"""The Dagster assets: fetch, one call into the core, result with metadata. Nothing is decided here."""
