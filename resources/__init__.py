"""Adapters to the outside: settings, git, facts cache, results store. They import the core and nothing else of ours."""
