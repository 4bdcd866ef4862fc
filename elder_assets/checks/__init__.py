"""Checks of our own results: cheap ones inside an audit run, great-expectations suites in the quality job."""
