"""The control plane process: pages, REST API, webhooks. It never imports Dagster."""
