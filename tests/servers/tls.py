"""An authority of our own, certificates of any make, and servers that show them: at once, or after a few words."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """One that signs. `chain`: its certificate and those above it, but for the root's."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        """Its certificate as a configuration's `ca` takes it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def below(self, name: str, days: float = 1000) -> "Authority":
        """An authority that this one signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _signed(key, name, (), self.certificate.subject, self.key, 0.0, days, True)
        return Authority(made, key, (made, *self.chain))

    def leaf(
        self,
        path: Path,
        names: Sequence[str] = ("127.0.0.1",),
        days: float = 90,
        begins: float = -1,
        whole: bool = True,
    ) -> Path:
        """A certificate with its chain (if `whole`) and key in one PEM file; it begins and ends in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _signed(key, names[0], names, self.certificate.subject, self.key, begins, days, False)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        shown = [made, *(self.chain if whole else ())]
        path.write_bytes(private + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in shown))
        return path


def authority(name: str = "Test Root") -> Authority:
    """A root."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return Authority(_signed(key, name, (), subject, key, -1.0, 1000, True), key)


def _signed(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    names: Sequence[str],
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    begins: float,
    days: float,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    ends = now + days * _DAY
    begin = min(now + begins * _DAY, ends - _DAY)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


Words = Sequence[tuple[bytes, bytes]]
"""What is waited for (nothing: at once), and what is said to it."""


@contextlib.contextmanager
def showing(pem: Path | None, words: Words = ()) -> Iterator[int]:
    """A port on which the certificate is shown once those words were exchanged; with None the connection then ends."""
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context, words), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _serve(listener: socket.socket, context: ssl.SSLContext | None, words: Words) -> None:
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        caller.settimeout(5)
        with caller, contextlib.suppress(OSError):
            for awaited, said in words:
                _await(caller, awaited)
                caller.sendall(said)
            if context is not None:
                with context.wrap_socket(caller, server_side=True) as secured:
                    secured.recv(1)


def _await(caller: socket.socket, awaited: bytes) -> None:
    received = b""
    while awaited not in received:
        got = caller.recv(1)
        if not got:
            raise ConnectionResetError
        received += got
