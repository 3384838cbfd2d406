"""Servers of other protocols beside the HTTP server, and suites whose evidence is read per test."""

from __future__ import annotations

import datetime as dt
import json
import select
import socket
import threading
from contextlib import contextmanager
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.nightproof.evidence.test_plugin import run_pytest
from tests.nightproof.evidence.test_plugin import write_suite

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def evidence_of_each(
    folder: Path, source: str, *, hosts: tuple[str, ...] = (), evidence: str = "fixture", **env: str
) -> dict[str, dict[str, Any]]:
    """Run a suite whose tests all pass; return the evidence of each test by its name."""
    write_suite(folder, source)
    with (folder / "suite.toml").open("a") as file:
        file.write(f"hosts = {json.dumps(hosts)}\nevidence = {json.dumps(evidence)}\n")
    done = run_pytest(folder, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    (log,) = folder.glob(".nightproof/adhoc/*/events.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return {line["id"].rpartition("::")[2]: line for line in lines if line["$report_type"] == "TestEvidence"}


def counts(line: dict[str, Any]) -> dict[str, int]:
    """Return the protocols with at least one count."""
    return {name: number for name, number in line["exchanges"].items() if number}


@contextmanager
def listening(
    serve: Callable[[socket.socket], None], host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Yield the port of a server that handles each connection by a function in a thread."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        threading.Thread(target=_accept, args=(listener, serve, context), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, serve: Callable[[socket.socket], None], context: ssl.SSLContext | None) -> None:
    def one(plain: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(plain, server_side=True) if context else plain as connection:
            serve(connection)

    with suppress(OSError):  # closed: the test is over
        while True:
            threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def echo(connection: socket.socket) -> None:
    """Send each piece back."""
    while data := connection.recv(4096):
        connection.sendall(b"echo " + data)


def answer_http(connection: socket.socket) -> None:
    """Answer every request that fits into one piece."""
    while connection.recv(65536):
        connection.sendall(OK)


def forward(connection: socket.socket) -> None:
    """Act as a proxy: open a tunnel, or forward a request with an absolute URL."""
    head = connection.recv(65536)
    method, target = head.split(b" ", 2)[:2]
    address = target if method == b"CONNECT" else target.split(b"/", 3)[2]
    host, _, port = address.decode().rpartition(":")
    with socket.create_connection((host, int(port))) as onward:
        if method == b"CONNECT":
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            onward.sendall(head)
        while True:
            for end in select.select([connection, onward], [], [])[0]:
                data = end.recv(65536)
                if not data:
                    return
                (onward if end is connection else connection).sendall(data)


def make_certificate(folder: Path) -> Path:
    """Write a self-signed certificate for this machine, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nearby")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")), x509.IPAddress(ip_address("::1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "nearby.pem"
    pkcs8 = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
