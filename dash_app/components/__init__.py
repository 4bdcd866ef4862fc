"""Pieces of pages: functions `create_*` from plain values to Dash components. No store, no state."""
