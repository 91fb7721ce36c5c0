"""Keep the logs: append to the own one, ingest those of others, prove, check, forget.

``ledger`` is the way in. Its parts: ``own_log`` signs, ``ingestion`` takes over and ``offered``
judges what others signed, ``proof`` and ``run`` serve, ``fsck``, ``rebuild`` and ``compaction``
look after what is stored; ``batch`` and ``state`` are what these share.
"""
