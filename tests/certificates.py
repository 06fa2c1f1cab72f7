"""A certificate for 127.0.0.1 that only those trust who are told to."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest


def certificate(folder: Path, names: str = "IP:127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """The certificate's file, and a server's side of TLS with it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("not run: openssl is absent")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=relay.test",
                    "-addext", f"subjectAltName={names}", "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return cert, context
