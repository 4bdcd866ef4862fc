"""The REST API and the webhooks: one module a topic, `routes.py` puts them together, `errors.py` answers failures."""
