"""Write this training app as the bundle that Flower's deployment engine carries: the same bytes.

A member never runs a bundle that it was sent: it makes its own from its own files, and compares.
"""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Final

NAME: Final = "tocsin/training"
VERSION: Final = "1.0.0"
_OLDEST: Final = (1980, 1, 1, 0, 0, 0)
_PROJECT: Final = """\
[project]
name = "training"
version = "1.0.0"
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "tocsin"

[tool.flwr.app.components]
serverapp = "federation.training.server_app:app"
clientapp = "federation.training.client_app:app"

[tool.flwr.app.config]
"""


def app_bundle() -> bytes:
    """Pack the app's files; the same files give the same bytes."""
    folder = Path(__file__).parent
    files = {"pyproject.toml": _PROJECT.encode()}
    files |= {
        f"federation/training/{file.name}": file.read_bytes()
        for file in sorted(folder.glob("*.py"))
    }
    files[".info/CONTENT"] = "\n".join(
        f"{name},{hashlib.sha256(data).hexdigest()},{len(data) * 8}" for name, data in files.items()
    ).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _OLDEST), data)
    return buffer.getvalue()


def bundle_digest(bundle: bytes) -> str:
    """Give a bundle's name in flwr."""
    return hashlib.sha256(bundle).hexdigest()
