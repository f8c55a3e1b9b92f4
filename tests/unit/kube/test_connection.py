"""Where access comes from, and how it stays fresh."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from podlift.kube.access import Access, Tls
from podlift.kube.connection import Connection, load_connection, proxy_for
from podlift.kube.errors import ConfigurationError

INSIDE = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def service_account(tmp_path: Path) -> Path:
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("first\n")
    (folder / "namespace").write_text("team")
    (folder / "ca.crt").write_bytes(_certificate())
    return folder


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def _certificate() -> bytes:
    """The authority of nobody in particular."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


async def authorization(connection: Connection) -> str:
    return dict((await connection.current()).headers)["Authorization"]


async def test_inside_a_cluster_the_service_account_is_used(service_account: Path) -> None:
    connection = await load_connection(environ=INSIDE, service_account=service_account)
    assert connection.server == "https://10.0.0.1:443"
    assert connection.namespace == "team"
    assert await authorization(connection) == "Bearer first"


async def test_an_address_of_version_6_is_put_in_brackets(service_account: Path) -> None:
    environ = {**INSIDE, "KUBERNETES_SERVICE_HOST": "fd00::1"}
    connection = await load_connection(environ=environ, service_account=service_account)
    assert connection.server == "https://[fd00::1]:443"


async def test_a_named_kubeconfig_comes_before_the_service_account(
    service_account: Path, kubeconfig: Path
) -> None:
    environ = {**INSIDE, "KUBECONFIG": str(kubeconfig)}
    for connection in (
        await load_connection(environ=environ, service_account=service_account),
        await load_connection(kubeconfig, environ=INSIDE, service_account=service_account),
        await load_connection(in_cluster=False, environ=environ, service_account=service_account),
    ):
        assert connection.server == "http://127.0.0.1:1"
    forced = await load_connection(
        in_cluster=True, environ=environ, service_account=service_account
    )
    assert forced.server == "https://10.0.0.1:443"


async def test_outside_of_any_cluster_the_message_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not in a pod"):
        await load_connection(in_cluster=True, environ={}, service_account=tmp_path)


@pytest.mark.parametrize("part", ["token", "ca.crt"])
async def test_a_broken_service_account_is_told_with_the_part_missing(
    service_account: Path, part: str
) -> None:
    (service_account / part).write_text("")
    with pytest.raises(ConfigurationError, match=f"{part} is empty"):
        await load_connection(in_cluster=True, environ=INSIDE, service_account=service_account)
    (service_account / part).unlink()
    with pytest.raises(ConfigurationError, match="automountServiceAccountToken"):
        await load_connection(in_cluster=True, environ=INSIDE, service_account=service_account)


async def test_a_rotated_token_is_read_after_a_minute(service_account: Path) -> None:
    loaded = await load_connection(environ=INSIDE, service_account=service_account)
    first = await loaded.current()
    assert first.valid_until is not None
    (service_account / "token").write_text("second")
    assert await authorization(loaded) == "Bearer first"
    await loaded.renew(first)
    assert await authorization(loaded) == "Bearer second"


class Credentials:
    """Something that gives other credentials each time, and says for how long."""

    def __init__(self, lifetime: float | None) -> None:
        self.lifetime = lifetime
        self.now = 0.0
        self.reads = 0

    async def read(self) -> Access:
        await asyncio.sleep(0)
        self.reads += 1
        return Access(
            "http://x",
            "test",
            headers=(("Authorization", str(self.reads)),),
            valid_until=None if self.lifetime is None else self.now + self.lifetime,
        )

    async def connection(self) -> Connection:
        return Connection(await self.read(), self.read, clock=lambda: self.now)


async def test_credentials_are_read_again_when_they_end_and_not_before() -> None:
    credentials = Credentials(lifetime=60)
    connection = await credentials.connection()
    credentials.now = 59
    assert await authorization(connection) == "1"
    credentials.now = 60
    assert await authorization(connection) == "2"
    credentials.now = 119
    assert await authorization(connection) == "2"


async def test_many_requests_refused_at_once_read_once() -> None:
    credentials = Credentials(lifetime=None)
    connection = await credentials.connection()
    stale = await connection.current()
    renewed = await asyncio.gather(*(connection.renew(stale) for _ in range(20)))
    assert credentials.reads == 2
    assert {access.headers for access in renewed} == {(("Authorization", "2"),)}


async def test_access_that_nobody_can_read_again_stays() -> None:
    access = Access("http://x", "test", valid_until=0)
    connection = Connection(access)
    assert await connection.current() is access


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", ".inside")


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize(
    ("server", "proxy"),
    [
        ("https://api.example.com", "http://proxy:3128"),
        ("https://api.inside:6443", None),
        ("https://127.0.0.1:6443", None),
        ("https://localhost:6443", None),
        ("https://[::1]:6443", None),
    ],
)
def test_the_environments_proxy_is_used_but_not_on_this_machine(
    server: str, proxy: str | None
) -> None:
    assert proxy_for(Access(server, "test")) == proxy


def test_the_clusters_own_proxy_is_used_and_others_than_http_are_refused() -> None:
    assert proxy_for(Access("https://x", "test", proxy="http://p")) == "http://p"
    with pytest.raises(ConfigurationError, match="only http and https"):
        proxy_for(Access("https://x", "test", proxy="socks5://p"))


@pytest.mark.parametrize(
    "tls", [Tls(ca=b"nonsense"), Tls(ca=b"\xff"), Tls(certificate=b"nonsense", key=b"x")]
)
def test_unusable_certificates_are_told(tls: Tls) -> None:
    with pytest.raises(ConfigurationError, match="not usable"):
        tls.context()
