"""Flow: did the change go through the delivery process?"""

from elder_assets.audit.registry import Magic

MAGIC = Magic(name="flow", prefix="FLW", title="Flow", question="Did the change go through the delivery process?")
