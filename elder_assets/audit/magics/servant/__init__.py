"""Servant: does every part have a competent, active owner?"""

from elder_assets.audit.registry import Magic

MAGIC = Magic(name="servant", prefix="SRV", title="Servant", question="Does every part have a competent, active owner?")
