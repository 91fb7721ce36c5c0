"""Floor 2: what members agree on and do together."""
