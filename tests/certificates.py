"""Certificates for servers on loopback that speak TLS."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(file: Path) -> Path:
    """A new self-signed certificate for loopback with its key, in one file."""
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    out = ["-keyout", str(file), "-out", f"{file}.crt", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *out, *name]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file
