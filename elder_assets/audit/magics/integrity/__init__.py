"""Integrity: is what is claimed really there?"""

from elder_assets.audit.registry import Magic

MAGIC = Magic(name="integrity", prefix="INT", title="Integrity", question="Is what is claimed really there?")
