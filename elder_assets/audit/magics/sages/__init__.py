"""Sages: are knowledge, tasks, incidents and search looked after?"""

from elder_assets.audit.registry import Magic

MAGIC = Magic(
    name="sages", prefix="SAG", title="Sages", question="Are knowledge, tasks, incidents and search looked after?"
)
