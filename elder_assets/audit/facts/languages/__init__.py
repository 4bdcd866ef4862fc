"""One module a programming language: its extensions, grammar, queries and test conventions, as `LANGUAGE`.

A language is added by adding its module; `facts/grammars.py` finds it by walking this package.
"""
