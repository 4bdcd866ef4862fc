"""Runs of Dagster in a cluster: how large a pod, how many at once, who works on one, what is left of them."""
