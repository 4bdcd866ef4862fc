"""How a database gets the schema of `tables.py`: alembic revisions, run by `open_store`, never by hand."""
