"""Who may run code on Dask's workers: of a cluster that a run starts itself, and of one behind certificates."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from plotbot.mock import MockServer

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
pytest.importorskip("cryptography", reason="the extra dask is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

SECONDS = 5.0


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    from plotbot.ask.dask.cluster import LocalCluster  # noqa: PLC0415  not without the extra

    before = listening_ports()
    cluster = LocalCluster(["http://127.0.0.1:9"])
    yield cluster, listening_ports() - before
    cluster.close()


def listening_ports() -> set[int]:
    """The ports on which this process and its children listen."""
    psutil = pytest.importorskip("psutil", reason="it comes with distributed")
    this = psutil.Process(os.getpid())
    found = [one for process in (this, *this.children(recursive=True)) for one in process.net_connections("tcp")]
    return {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_a_stranger_is_no_client_of_a_local_cluster(local: Any, scheme: str) -> None:
    address = f"{scheme}://{local[0].scheduler.partition('://')[2]}"
    security = distributed.security.Security.temporary() if scheme == "tls" else distributed.security.Security()
    with pytest.raises(OSError, match=r"certificate does not match|Connection reset|Timed out"):
        distributed.Client(address, security=security, timeout=1.0, set_as_default=False)


def test_every_port_of_a_local_cluster_wants_its_certificate_or_has_no_page(local: Any) -> None:
    cluster, ports = local
    assert cluster.scheduler.startswith("tls://127.0.0.1:")
    assert len(ports) >= 3, "scheduler, nanny and worker"
    assert [port for port in ports if not has_no_page(port) and not refuses_a_stranger(port)] == []


def has_no_page(port: int) -> bool:
    """Whether this is an HTTP port that has no page for what Dask's would show."""
    asked = [
        said_to(port, f"GET {path} HTTP/1.0\r\n\r\n".encode()) for path in ("/", "/info/main/workers.html", "/metrics")
    ]
    return all(answer.startswith(b"HTTP/1.1 404") for answer in asked)


def said_to(port: int, request: bytes) -> bytes:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(request)
        return connection.recv(4096)
    return b""


def refuses_a_stranger(port: int) -> bool:
    """Whether a TLS connection without a certificate ends before anything comes back on it."""
    anonymous = ssl.create_default_context()
    anonymous.check_hostname, anonymous.verify_mode = False, ssl.CERT_NONE
    received = b""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), SECONDS) as connection,
            anonymous.wrap_socket(connection) as wrapped,
        ):
            wrapped.sendall(bytes(8))
            received = wrapped.recv(4096)
    except TimeoutError:
        return False
    except OSError:
        return True
    return received == b""


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, str]:
    """Dask's configuration with certificates for everybody, as environment variables."""
    made = distributed.security.Security.temporary()
    files = {"CA_FILE": made.tls_ca_file}
    for role in ("scheduler", "worker", "client"):
        files |= {f"{role}__{kind}".upper(): getattr(made, f"tls_{role}_{kind}") for kind in ("cert", "key")}
    environ = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true", "DASK_DISTRIBUTED__COMM__DEFAULT_SCHEME": "tls"}
    for name, text in files.items():
        (tmp_path / f"{name}.pem").write_text(text, encoding="ascii")
        environ[f"DASK_DISTRIBUTED__COMM__TLS__{name}"] = str(tmp_path / f"{name}.pem")
    return environ


def test_a_scheduler_behind_certificates_is_reached_with_dasks_configuration_and_not_without(
    new_cluster: Callable[..., Any],
    certificates: dict[str, str],
    servers: Callable[..., list[MockServer]],
    evals: Any,
) -> None:
    [server] = servers(1)
    cluster = new_cluster(**certificates)
    assert cluster.address.startswith("tls://")
    cluster.worker(server.url)
    cluster.joined(1)
    without = evals(cluster.executor)
    assert without.wait() == 4, without.output
    assert "No Dask scheduler answers at tcp://" in without.output
    assert server.stats().models["mock-model"].requests == 0
    run = evals(cluster.executor, **certificates)
    assert run.wait() == 0, run.output
    assert server.stats().models["mock-model"].requests == 12
