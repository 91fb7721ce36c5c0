"""Open the two doors of a node: mTLS for other members, a Unix socket for its own systems."""
