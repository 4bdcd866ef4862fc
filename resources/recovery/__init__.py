"""Backups: made, sealed, checked, restored, and let go when they are old."""
