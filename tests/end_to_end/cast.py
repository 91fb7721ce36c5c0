"""Name who lives through the 24 checks, and how long news may take among so many."""

from __future__ import annotations

CARRIERS = ("carrier-a", "carrier-b", "carrier-c")
BANKS = ("bank-x", "bank-y")
FIRMS = ("net-p", "net-q")
INDUSTRY = (*CARRIERS, *BANKS, *FIRMS)
COORDINATOR, POLICE, PARTNER, REVOKED = "coord", "police", "partner-k", "partner-m"
LOGS = (*INDUSTRY, COORDINATOR, POLICE)
CAST = (*LOGS, PARTNER)
HOLDERS = ("carrier-a", "bank-x", "net-p")

WAIT_SECONDS = 120.0
"""Until something is everywhere: ten nodes on a machine that does other things."""
