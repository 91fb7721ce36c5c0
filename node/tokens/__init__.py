"""Tokens in a running node: the keys in use, the holder's side, the client's side, ceremonies."""
