"""Train one model over the members' own tables; nothing in this file needs torch or flwr.

A node without the extra ``train`` still reads plans, schemas and reports:

- ``plan``, ``schema``, ``canonical``, ``error``: plain values, no third-party import;
- ``metrics``, ``fixed_point``, ``checks``, ``scaling``, ``table``: numpy alone;
- ``models``, ``fitting``, ``differential_privacy``: torch;
- ``client_app``, ``server_app``, ``strategies``, ``adapter``, ``local_engine``: flwr.
"""

import os

# flwr reads it when it is imported, whatever imports it first: no process here reports to anyone.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
