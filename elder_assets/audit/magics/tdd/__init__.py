"""TDD: do the tests prove anything, and do they come with the change?"""

from elder_assets.audit.registry import Magic

MAGIC = Magic(
    name="tdd", prefix="TDD", title="TDD", question="Do the tests prove anything, and do they come with the change?"
)
