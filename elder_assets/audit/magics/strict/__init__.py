"""Strict: is the output itself correct, safe, simple?"""

from elder_assets.audit.registry import Magic

MAGIC = Magic(name="strict", prefix="STR", title="Strict", question="Is the output itself correct, safe, simple?")
