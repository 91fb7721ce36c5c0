"""Bring the logs of all members to all members, and notice when one tells two stories.

``log_service`` serves, ``replicator`` reads, ``gossip`` compares, ``charter_sync`` keeps the
charter current. Nothing that a peer says is believed: entries and checkpoint are verified by the
ledger, so any node may serve any log.
"""
