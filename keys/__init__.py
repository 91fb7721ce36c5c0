"""Floor 1: everything that holds or uses a key."""
