"""Generate the Python code of the contract in proto/; run by `make gen`, compared by a test."""

from __future__ import annotations

import sys
import sysconfig
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
OUTPUTS = ("python", "grpc_python", "mypy", "mypy_grpc")


def generate(target: Path) -> None:
    """Compile every .proto under proto/ into ``target``, stubs and types beside one another.

    Raises:
        RuntimeError: The compiler refused a file; its own message is on stderr.
    """
    scripts = Path(sysconfig.get_path("scripts"))
    arguments = [
        "protoc",
        f"-I{PROTO}",
        # protoc.main() does not add the well-known types by itself.
        f"-I{files('grpc_tools') / '_proto'}",
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
        *(f"--{output}_out={target}" for output in OUTPUTS),
        *(str(path.relative_to(PROTO)) for path in sorted(PROTO.rglob("*.proto"))),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc refused the contract")


if __name__ == "__main__":
    generate(PROTO)
    sys.stderr.write("generated code written beside the .proto files\n")
