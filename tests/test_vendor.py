"""What we send to browsers and others wrote: each file is the one whose checksum and licence are recorded."""

import hashlib
import json
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "static" / "vendor"


def test_every_vendored_file_is_recorded_with_its_checksum_version_and_licence() -> None:
    recorded = json.loads((VENDOR / "vendor.json").read_text("utf-8"))
    found = {file.relative_to(VENDOR).as_posix(): file for file in VENDOR.rglob("*") if file.is_file()}
    del found["vendor.json"]
    listed = {f"{folder}/{name}": sha256 for folder, one in recorded.items() for name, sha256 in one["files"].items()}
    assert {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in found.items()} == listed
    for folder, one in recorded.items():
        assert folder == f"{one['package'].removesuffix('.org')}-{one['version']}"
        assert one["licence"]
        assert any(name.startswith("LICENSE") for name in one["files"])
        assert one["integrity"].startswith("sha512-")
