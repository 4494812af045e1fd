"""The certificates of a throw-away cluster: one authority signs everything."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = dt.timedelta(days=30)
SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its key, as files."""

    cert: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """The certificate authority of one cluster, in a directory with everything it signed."""

    directory: Path

    @property
    def cert(self) -> Path:
        """The file that clients trust."""
        return self.directory / "ca.crt"

    @property
    def key(self) -> Path:
        """The authority's own key."""
        return self.directory / "ca.key"

    def issue(self, name: str, common_name: str, *, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> KeyPair:
        """Sign a certificate once, for a client and, where `hosts` are given, for a server of these names."""
        pair = KeyPair(self.directory / f"{name}.crt", self.directory / f"{name}.key")
        if not pair.cert.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            _write_key(pair.key, key)
            subject = _subject(common_name, groups)
            builder = _leaf(subject, key.public_key(), hosts)
            self._sign(builder, pair.cert)
        return pair

    def expired(self, name: str, common_name: str, *, hosts: Sequence[str] = ()) -> KeyPair:
        """Sign a certificate that was good until yesterday."""
        pair = KeyPair(self.directory / f"{name}.crt", self.directory / f"{name}.key")
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(pair.key, key)
        now = dt.datetime.now(dt.UTC)
        self._sign(
            _leaf(_subject(common_name, ()), key.public_key(), hosts, since=now - VALID, until=now - VALID / 30),
            pair.cert,
        )
        return pair

    def _sign(self, builder: x509.CertificateBuilder, out: Path) -> None:
        issuer = x509.load_pem_x509_certificate(self.cert.read_bytes())
        key = serialization.load_pem_private_key(self.key.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        # Python 3.13 verifies strictly and refuses certificates without both key identifiers.
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        signed = builder.issuer_name(issuer.subject).add_extension(authority, critical=False).sign(key, hashes.SHA256())
        out.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def make_authority(directory: Path) -> Authority:
    """Make the authority, or take the one that is there."""
    authority = Authority(directory)
    if not authority.cert.exists():
        directory.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(authority.key, key)
        subject = _subject("edgeglm-test-ca", ())
        builder = _certificate(subject, key.public_key()).issuer_name(subject)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        cert = builder.sign(key, hashes.SHA256())
        authority.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return authority


def make_signing_key(path: Path) -> KeyPair:
    """A bare key pair: service-account tokens are signed with it."""
    pair = KeyPair(cert=path.with_suffix(".pub"), key=path.with_suffix(".key"))
    if not pair.key.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(pair.key, key)
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        pair.cert.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    return pair


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    form = serialization.PrivateFormat.PKCS8
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


def _subject(common_name: str, groups: Sequence[str]) -> x509.Name:
    """Kubernetes reads the user from the common name and the groups from the organisations."""
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(public_key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(since or now - SKEW).not_valid_after(until or now + VALID)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)


def _leaf(
    subject: x509.Name, public_key: ec.EllipticCurvePublicKey, hosts: Sequence[str], **life: dt.datetime
) -> x509.CertificateBuilder:
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _certificate(subject, public_key, **life)
    if hosts:
        purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    return builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
