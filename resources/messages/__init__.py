"""Texts in the languages that Elder speaks; pages and notifiers read the same catalogue."""
