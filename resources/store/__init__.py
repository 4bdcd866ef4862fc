"""The results store: what was audited, when, by which ruler, and what came out. SQLite or PostgreSQL, one schema.

`tables.py` holds the schema, `migrations/` how a database gets it, `store.py` the only code that reads or writes
rows. `elder audit` never imports this package: an audit needs git and the facts cache only.
"""

from resources.store.database import Repository
from resources.store.store import Store, open_store

__all__ = ["Repository", "Store", "open_store"]
