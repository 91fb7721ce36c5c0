"""The committed stubs are what the contract generates."""

from pathlib import Path

from tests.contract.codegen import PROTO, generate


def test_generated_code_is_current(tmp_path: Path) -> None:
    generate(tmp_path)
    fresh = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*_pb2*.py*")}
    committed = {p.relative_to(PROTO): p.read_bytes() for p in PROTO.rglob("*_pb2*.py*")}

    assert fresh
    assert fresh == committed, "run `make gen` and commit what it changes"
