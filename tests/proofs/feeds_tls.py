"""Certificates for the hosts of the proof: one that fits, and each way in which one does not."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_SOON = datetime(2099, 1, 1, tzinfo=UTC)
_THEN = datetime(2020, 1, 1, tzinfo=UTC)
_OVER = datetime(2021, 1, 1, tzinfo=UTC)


def context(folder: Path, fitting: str) -> tuple[ssl.SSLContext, Path]:
    """Return what a server speaks TLS with, and the file of the authority that a client must trust.

    It has a certificate that fits for `fitting`, and for other names: `wrong.` (made for another), `unknown.` (nobody
    vouches for it), `expired.`.
    """
    authority, stranger = _Authority("The proof's authority"), _Authority("A stranger")
    trusted = folder / "authority.pem"
    trusted.write_bytes(authority.pem)
    made = {
        fitting: _served(folder, authority, fitting),
        "wrong.example.org": _served(folder, authority, "another.example.org"),
        "unknown.example.org": _served(folder, stranger, "unknown.example.org"),
        "expired.example.org": _served(folder, authority, "expired.example.org", until=_OVER),
    }
    server = made[fitting]

    def choose(line: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        line.context = made.get(name or "", server)

    server.sni_callback = choose
    return server, trusted


class _Authority:
    """Who signs certificates."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = _certificate(self.name, self.name, self.key, _SOON)
        basic = x509.BasicConstraints(ca=True, path_length=None)
        self.pem = _pem(builder.add_extension(basic, critical=True).sign(self.key, hashes.SHA256()))


def _served(folder: Path, authority: _Authority, name: str, *, until: datetime = _SOON) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = _certificate(subject, authority.name, key, until).add_extension(names, critical=False)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = folder / f"{name}.pem"
    chain.write_bytes(secret + _pem(builder.sign(authority.key, hashes.SHA256())))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(chain)
    return made


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime
) -> x509.CertificateBuilder:
    serial = x509.random_serial_number()
    return x509.CertificateBuilder(issuer, subject, key.public_key(), serial, _THEN, until)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
