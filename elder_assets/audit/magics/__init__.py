"""The eight magics: a folder each, one rule a file. Only rules live here; `registry.py` finds them by walking."""
