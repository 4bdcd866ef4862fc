"""Notifiers: one module a kind of channel. Open one with `notifier.open_notifier`."""
