"""Keep a node's state on disk: replicated tables and private tables, never in one file.

Acknowledged means fsynced. ``protocol`` says what a public store can do, ``sqlite`` does it in one
SQLite file, ``private`` holds what never leaves the node, ``catalogue`` reads the views.
"""
