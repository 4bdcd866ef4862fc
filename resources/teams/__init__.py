"""A team's settings, how its repositories stand, its initiatives, and what another policy would make of them."""
