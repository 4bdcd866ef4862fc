"""Alembic's entry point: migrates the connection that `open_store` hands over, in its transaction."""

from alembic import context

from resources.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite alters a table only by copying it
)
context.run_migrations()
