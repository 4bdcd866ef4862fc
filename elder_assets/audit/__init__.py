"""The core: facts, rules, identity, ruler, score. Pure; it knows neither Dagster nor a database.

May import the standard library, msgspec, the parsers and PyYAML; pandas only in `frames.py`. A magic never
imports another magic. Everybody may import the core; the core imports no other room (docs/architecture.md).
"""
