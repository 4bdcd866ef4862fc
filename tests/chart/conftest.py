"""Fixtures of the chart's tests."""

from rendered_chart import helm, render

__all__ = ["helm", "render"]
