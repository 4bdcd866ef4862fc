"""Elder's own code location: the audit core, the Dagster assembly around it and the `elder` command.

Nothing is imported here, so that `import elder_assets.audit` costs only the core.
"""
