"""A node's life: it opens its doors, stands by or leads, and stops gracefully.

``start`` runs one as a process until that is told to stop, ``node`` is the node itself. ``parts``
is what it consists of, ``services`` what its doors serve, ``duties`` what goes on by itself in
``tasks``, ``hearing`` what becomes of what replication brings.
"""
