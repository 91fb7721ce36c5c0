"""The fraud desk: what a member's own systems say and ask over the inside door."""
