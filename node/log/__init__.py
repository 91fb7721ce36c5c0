"""Keep the logs: append to the own one, ingest those of others, prove, check, forget.

``ledger`` is the way in; ``batch``, ``fsck``, ``rebuild`` and ``compaction`` are its parts.
"""
