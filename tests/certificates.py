"""Certificates of an authority of our own, as files, for servers that speak TLS."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

LASTING = timedelta(days=2)


class Certified(NamedTuple):
    """A certificate and its key."""

    cert: Path
    key: Path


class Authority:
    """Signs whatever it is asked to, into files of a directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = directory / f"{name}.pem"
        is_authority = x509.BasicConstraints(ca=True, path_length=None)
        unsigned = self.unsigned(self.name, self.key).add_extension(is_authority, critical=True)
        self.path.write_bytes(self.signed(unsigned))

    def certify(self, name: str, address: str = "127.0.0.1", password: str = "") -> Certified:
        """A certificate made out to an IP address; the password is its key's."""
        key = ec.generate_private_key(ec.SECP256R1())
        common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made_out_to = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        unsigned = self.unsigned(common, key).add_extension(made_out_to, critical=False)
        made = Certified(self.directory / f"{name}.crt", self.directory / f"{name}.key")
        made.cert.write_bytes(self.signed(unsigned))
        locked: KeySerializationEncryption = NoEncryption()
        if password:
            locked = BestAvailableEncryption(password.encode())
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
        return made

    def unsigned(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LASTING)
            .not_valid_after(now + LASTING)
        )

    def signed(self, unsigned: x509.CertificateBuilder) -> bytes:
        return unsigned.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
