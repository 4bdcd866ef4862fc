"""Predictive: where will it break next, and how sure are we?"""

from elder_assets.audit.registry import Magic

MAGIC = Magic(
    name="predictive", prefix="PRD", title="Predictive", question="Where will it break next, and how sure are we?"
)
