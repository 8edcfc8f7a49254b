"""A certificate authority for machines of one's own: `haversack tls dev-ca`."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from haversack_server.errors import ConfigurationInvalid
from haversack_server.security._certificates import CertificateFiles

AUTHORITY_DAYS = 3_650
SERVER_DAYS = 397
"""Some clients refuse certificates that are good for longer."""

RENEWAL_DAYS = 30
"""A certificate that ends within so many days is made anew."""

BACKDATED = timedelta(minutes=5)
"""How far clocks of clients may be behind."""

SECRET_RIGHTS = 0o600
PUBLIC_RIGHTS = 0o644

_AUTHORITY_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Haversack development CA")])


@dataclass(frozen=True)
class DevelopmentCa:
    """Files of a development authority.

    Attributes:
        ca_file: The authority's certificate, for clients to trust.
        certificate_file: The server's certificate.
        key_file: The server's key.
        hosts: What the server's certificate is for.
        ends: Until when it is valid, UTC.
        made: Which of the files were written; none if all were good.
    """

    ca_file: Path
    certificate_file: Path
    key_file: Path
    hosts: tuple[str, ...]
    ends: datetime
    made: tuple[Path, ...]


def make_development_ca(folder: Path, hosts: Sequence[str], now: datetime) -> DevelopmentCa:
    """Makes an authority and a server's certificate in a folder, or keeps those that are there and good.

    The server's certificate is made anew if it does not name all of `hosts` or ends soon; the authority's never is, so
    that whoever trusts it may go on. Keys are readable by their owner alone. Raises ConfigurationInvalid if what is
    there cannot be used.
    """
    for it in (folder.parent, folder):  # the mode is for the last of those that are made
        it.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_file, ca_key_file = folder / "ca.pem", folder / "ca-key.pem"
    files = CertificateFiles(folder / "server.pem", folder / "server-key.pem")
    made: list[Path] = []
    if not ca_file.exists():
        _make_authority(ca_file, ca_key_file, now)
        made += [ca_key_file, ca_file]
    if made or not _is_good(files, hosts, now):
        _make_server(files, hosts, (ca_file, ca_key_file), now)
        made += [files.key_file, files.certificate_file]
    server = files.load(now)
    return DevelopmentCa(ca_file, files.certificate_file, files.key_file, server.hosts, server.ends, tuple(made))


def _is_good(files: CertificateFiles, hosts: Sequence[str], now: datetime) -> bool:
    if not files.signature():
        return False
    try:
        server = files.load(now + timedelta(days=RENEWAL_DAYS))
    except ConfigurationInvalid:
        return False
    return set(hosts) <= set(server.hosts)


def _make_authority(ca_file: Path, key_file: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_AUTHORITY_NAME, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _key_pem(key), SECRET_RIGHTS)
    _write(ca_file, certificate.public_bytes(serialization.Encoding.PEM), PUBLIC_RIGHTS)


def _make_server(files: CertificateFiles, hosts: Sequence[str], authority: tuple[Path, Path], now: datetime) -> None:
    ca, ca_key = _read_authority(*authority)
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Haversack server")])
    certificate = (
        _builder(name, key.public_key(), now, SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_host(it) for it in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    chain_pem = b"".join(it.public_bytes(serialization.Encoding.PEM) for it in (certificate, ca))
    _write(files.key_file, _key_pem(key), SECRET_RIGHTS)
    _write(files.certificate_file, chain_pem, PUBLIC_RIGHTS)


def _read_authority(ca_file: Path, key_file: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        ca = x509.load_pem_x509_certificate(ca_file.read_bytes())
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationInvalid(
            f"the authority in {ca_file.parent} cannot be used: {error}; delete it to make a new one"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationInvalid(f"{key_file} was not made by this command; choose another folder")
    return ca, key


def _builder(name: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=_AUTHORITY_NAME,
        subject_name=name,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - BACKDATED,
        not_valid_after=now + timedelta(days=days),
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        try:
            return x509.DNSName(text)
        except ValueError as error:
            raise ConfigurationInvalid(f"{text!r} is neither a host name in ASCII nor an address") from error


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, rights: int) -> None:
    """Writes a file whole or not at all."""
    scratch = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, rights)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
