"""Git: is the history trustworthy and usable?"""

from elder_assets.audit.registry import Magic

MAGIC = Magic(name="git", prefix="GIT", title="Git", question="Is the history trustworthy and usable?")
