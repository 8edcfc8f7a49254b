"""A server's certificate and key, read from files and looked at before anybody relies on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from haversack_server.errors import ConfigurationInvalid

FILE_BYTES_MAX = 1024 * 1024

Signature = tuple[tuple[int, int, int], ...]
"""What tells that files are the same: time of change, size and inode of each."""


@dataclass(frozen=True)
class Certificate:
    """A certificate that a server can show.

    Attributes:
        chain_pem: The server's certificate, then those between it and the authority.
        key_pem: Its private key.
        hosts: Names and addresses that it is for.
        begins: From when on it is valid, UTC.
        ends: Until when it is valid, UTC.
    """

    chain_pem: bytes
    key_pem: bytes
    hosts: tuple[str, ...]
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class CertificateFiles:
    """Where a certificate and its key are."""

    certificate_file: Path
    key_file: Path

    def signature(self) -> Signature:
        """Returns what changes when the files do; empty while one is not there."""
        try:
            states = [it.stat() for it in (self.certificate_file, self.key_file)]
        except OSError:
            return ()
        return tuple((it.st_mtime_ns, it.st_size, it.st_ino) for it in states)

    def load(self, now: datetime) -> Certificate:
        """Reads both; raises ConfigurationInvalid if they cannot be used at `now`."""
        chain_pem, key_pem = _read(self.certificate_file), _read(self.key_file)
        leaf = self._leaf(chain_pem)
        if _public_bytes(leaf.public_key()) != _public_bytes(self._key(key_pem).public_key()):
            raise ConfigurationInvalid(f"{self.key_file} is not the key of {self.certificate_file}; give the pair")
        if now >= leaf.not_valid_after_utc:
            ended = leaf.not_valid_after_utc.isoformat()
            raise ConfigurationInvalid(f"{self.certificate_file} expired at {ended}; renew it")
        if now < leaf.not_valid_before_utc:
            begins = leaf.not_valid_before_utc.isoformat()
            raise ConfigurationInvalid(f"{self.certificate_file} is not valid before {begins}; check the clock")
        return Certificate(chain_pem, key_pem, self._hosts(leaf), leaf.not_valid_before_utc, leaf.not_valid_after_utc)

    def _leaf(self, chain_pem: bytes) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificates(chain_pem)[0]
        except ValueError as error:
            raise ConfigurationInvalid(f"{self.certificate_file} has no certificate in PEM: {error}") from error

    def _key(self, key_pem: bytes) -> PrivateKeyTypes:
        try:
            return load_pem_private_key(key_pem, password=None)
        except TypeError as error:
            raise ConfigurationInvalid(f"{self.key_file} is encrypted; give it without a password") from error
        except ValueError as error:
            raise ConfigurationInvalid(f"{self.key_file} has no private key in PEM: {error}") from error

    def _hosts(self, leaf: x509.Certificate) -> tuple[str, ...]:
        try:
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound as error:
            raise ConfigurationInvalid(
                f"{self.certificate_file} names no host (subjectAltName), so no client accepts it; get another one"
            ) from error
        addresses = names.get_values_for_type(x509.IPAddress)
        return (*names.get_values_for_type(x509.DNSName), *(str(it) for it in addresses))


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationInvalid(f"{path} cannot be read: {error.strerror}; check path and rights") from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigurationInvalid(f"{path} is larger than {FILE_BYTES_MAX:,} bytes; it is no certificate")
    return content


def _public_bytes(key: PublicKeyTypes) -> bytes:
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(encoding, form)
