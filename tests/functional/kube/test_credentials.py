"""What is shown to the server: tokens, plugins, certificates; and what is trusted."""

from __future__ import annotations

import base64
import json
import ssl
import stat
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from podlift.kube import (
    PODS,
    Client,
    ConfigurationError,
    Connection,
    Unauthorized,
    load_connection,
)
from podlift.kube.access import Access, Tls

if TYPE_CHECKING:
    from tests.functional.kube.conftest import Serve

pytestmark = pytest.mark.functional


def status(code: int, reason: str = "", message: str = "no", **headers: str) -> web.Response:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return web.json_response(body, status=code, headers=headers)


class Guard:
    """Lets one token in."""

    def __init__(self, good: str) -> None:
        self.good = good
        self.seen: list[str] = []

    async def __call__(self, request: web.Request) -> web.Response:
        self.seen.append(request.headers.get("Authorization", ""))
        if self.seen[-1] != f"Bearer {self.good}":
            return status(401, "Unauthorized", "Unauthorized")
        return web.json_response({"metadata": {"name": "a"}})


def kubeconfig(path: Path, server: str, user: dict[str, Any], **cluster: Any) -> Path:
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


async def test_after_a_401_new_credentials_are_shown_once(serve: Serve, tmp_path: Path) -> None:
    guard = Guard("new")
    url = await serve(guard)
    path = kubeconfig(tmp_path / "config", url, {"token": "old"})
    async with Client(await load_connection(path)) as client:
        kubeconfig(path, url, {"token": "new"})
        assert (await client.get(PODS, "a", "ns"))["metadata"]["name"] == "a"
    assert guard.seen == ["Bearer old", "Bearer new"]


async def test_after_a_401_the_same_credentials_are_not_shown_again(
    serve: Serve, tmp_path: Path
) -> None:
    guard = Guard("other")
    path = kubeconfig(tmp_path / "config", await serve(guard), {"token": "bad"})
    async with Client(await load_connection(path)) as client:
        with pytest.raises(Unauthorized):
            await client.get(PODS, "a", "ns")
        with pytest.raises(Unauthorized):
            await anext(client.log_pieces("a", "ns", follow=True))
        with pytest.raises(Unauthorized):
            async with client.exec("a", "ns", ["ls"]):
                pass
    assert guard.seen == ["Bearer bad"] * 3


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A credential plugin that counts its runs and gives the number as its token."""
    program = tmp_path / "plugin"
    program.write_text(
        f"""#!{sys.executable}
import json, os, pathlib, sys
if "fail" in sys.argv:
    sys.exit("please log in first")
runs = pathlib.Path(os.environ["RUNS"])
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
status = {{"token": f"token-{{len(runs.read_text())}}"}}
if sys.argv[1:]:
    status["expirationTimestamp"] = sys.argv[1]
print(json.dumps({{"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}}))
"""
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def exec_user(tmp_path: Path, *args: str, command: str = "./plugin") -> dict[str, Any]:
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": command,
            "args": list(args),
            "env": [{"name": "RUNS", "value": str(tmp_path / "runs")}],
            "installHint": "Install the plugin from somewhere.",
        }
    }


@pytest.mark.usefixtures("plugin")
async def test_a_plugin_is_run_again_when_its_token_is_refused(
    serve: Serve, tmp_path: Path
) -> None:
    guard = Guard("token-2")
    path = kubeconfig(tmp_path / "config", await serve(guard), exec_user(tmp_path))
    async with Client(await load_connection(path)) as client:
        await client.get(PODS, "a", "ns")
        await client.get(PODS, "a", "ns")
    assert guard.seen == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]


@pytest.mark.usefixtures("plugin")
async def test_a_plugin_is_run_again_when_its_token_has_ended(serve: Serve, tmp_path: Path) -> None:
    guard = Guard("token-2")
    user = exec_user(tmp_path, "2020-01-01T00:00:00Z")
    path = kubeconfig(tmp_path / "config", await serve(guard), user)
    async with Client(await load_connection(path)) as client:
        await client.get(PODS, "a", "ns")
    assert guard.seen == ["Bearer token-2"]


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"args": ["fail"]}, "please log in first\nInstall the plugin from somewhere"),
        ({"command": "no-such-program"}, "'no-such-program' of user 'u'.*No such file"),
        ({"args": ["whenever"]}, "'whenever', which is not a time"),
    ],
)
@pytest.mark.usefixtures("plugin")
async def test_a_failing_plugin_is_told_in_its_own_words(
    tmp_path: Path, user: dict[str, Any], words: str
) -> None:
    described = exec_user(tmp_path)
    described["exec"] |= user
    path = kubeconfig(tmp_path / "config", "http://127.0.0.1:1", described)
    with pytest.raises(ConfigurationError, match=f"(?s){words}"):
        await load_connection(path)


class Authority:
    """Signs certificates for 127.0.0.1 and for clients."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self.key, "authority", ca=True)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        return (
            self._sign(key, name, ca=False).public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def _sign(self, key: ec.EllipticCurvePrivateKey, name: str, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        addresses = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName(name)]
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
            .sign(self.key, hashes.SHA256())
        )


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def secure(serve: Serve, authority: Authority, tmp_path: Path) -> str:
    """A server that asks for a client certificate and answers with the name on it."""

    async def whoami(request: web.Request) -> web.Response:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert")
        return web.json_response({"name": peer["subject"][0][0][1]})

    certificate, key = authority.issue("server.example")
    (tmp_path / "server.pem").write_bytes(certificate + key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.pem.decode())
    tls.load_cert_chain(tmp_path / "server.pem")
    tls.verify_mode = ssl.CERT_REQUIRED
    return await serve(whoami, tls)


async def ask_as(tls: Tls, url: str) -> dict[str, Any]:
    async with Client(Connection(Access(url, "context 'c' of a file", tls=tls))) as client:
        return await client.server_version()


async def test_a_client_certificate_is_shown(secure: str, authority: Authority) -> None:
    certificate, key = authority.issue("jane")
    tls = Tls(ca=authority.pem, certificate=certificate, key=key)
    assert await ask_as(tls, secure) == {"name": "jane"}
    named = Tls(authority.pem, certificate, key, server_name="server.example")
    assert await ask_as(named, secure) == {"name": "jane"}


async def test_a_server_of_another_authority_is_not_trusted(
    secure: str, authority: Authority
) -> None:
    certificate, key = authority.issue("jane")
    with pytest.raises(ConfigurationError, match="context 'c' of a file does not vouch for"):
        await ask_as(Tls(Authority().pem, certificate, key), secure)
    with pytest.raises(ConfigurationError, match=r"other\.example"):
        await ask_as(Tls(authority.pem, certificate, key, server_name="other.example"), secure)
    unverified = Tls(None, certificate, key, verify=False)
    assert await ask_as(unverified, secure) == {"name": "jane"}


async def test_a_certificate_from_a_plugin_is_shown(
    secure: str, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("robot")
    given = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    (tmp_path / "credential.json").write_text(json.dumps({**credential, "status": given}))
    user = exec_user(tmp_path, str(tmp_path / "credential.json"), command="cat")
    ca = base64.b64encode(authority.pem).decode()
    data = {"certificate-authority-data": ca}
    path = kubeconfig(tmp_path / "config", secure, user, **data)
    async with Client(await load_connection(path)) as client:
        assert await client.server_version() == {"name": "robot"}


async def test_the_token_of_an_identity_provider_is_shown(serve: Serve, tmp_path: Path) -> None:
    claims = {"exp": int((datetime.now(UTC) + timedelta(hours=1)).timestamp())}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    token = f"head.{payload}.signature"
    user = {"auth-provider": {"name": "oidc", "config": {"id-token": token}}}
    guard = Guard(token)
    path = kubeconfig(tmp_path / "config", await serve(guard), user)
    async with Client(await load_connection(path)) as client:
        await client.get(PODS, "a", "ns")
    assert guard.seen == [f"Bearer {token}"]


async def test_an_identity_providers_ended_login_is_told(tmp_path: Path) -> None:
    payload = base64.urlsafe_b64encode(b'{"exp": 1}').decode()
    user = {"auth-provider": {"name": "oidc", "config": {"id-token": f"a.{payload}.c"}}}
    path = kubeconfig(tmp_path / "config", "http://127.0.0.1:1", user)
    with pytest.raises(ConfigurationError, match="oidc login of context 'c' is not usable"):
        await load_connection(path)


async def test_a_large_object_arrives_whole_also_the_second_time(
    serve: Serve, tmp_path: Path
) -> None:
    sizes: list[int] = []

    async def measure(request: web.Request) -> web.Response:
        sizes.append(len(await request.content.read()))
        known = request.headers["Authorization"] == "Bearer new"
        return web.json_response({}) if known else status(401, "Unauthorized")

    url = await serve(measure)
    path = kubeconfig(tmp_path / "config", url, {"token": "old"})
    async with Client(await load_connection(path)) as client:
        kubeconfig(path, url, {"token": "new"})
        await client.create(PODS, {"data": "x" * 2_000_000}, "ns")
    assert sizes == [2_000_011] * 2
