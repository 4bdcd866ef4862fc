"""From a git host's webhook to the verdict on its change request; the sweep finds what no webhook told."""
