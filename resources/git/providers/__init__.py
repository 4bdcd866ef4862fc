"""Git hosts behind one protocol (`provider.py`). A provider is one module here with a class that has a `name`.

Nothing is imported until a provider is opened: `elder audit` needs no HTTP client.
"""

from resources.git.providers.registry import open_provider, provider_for, provider_names

__all__ = ["open_provider", "provider_for", "provider_names"]
