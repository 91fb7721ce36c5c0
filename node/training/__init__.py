"""A member's side of training together: what it consents to, and what it has spent."""
