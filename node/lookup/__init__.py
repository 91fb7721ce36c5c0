"""Look-ups over the outside door: exact for members, by prefix for those who hide what they ask."""
