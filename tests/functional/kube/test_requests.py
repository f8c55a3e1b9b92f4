"""Requests, refusals and broken connections, with a server that behaves as told."""

from __future__ import annotations

import asyncio
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
    ApiError,
    Client,
    ConfigurationError,
    Connection,
    ConnectionFailed,
    Gone,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
    load_connection,
)
from podlift.kube.access import Access, Tls

if TYPE_CHECKING:
    from tests.functional.kube.conftest import Connect, Serve

pytestmark = pytest.mark.functional


def status(code: int, reason: str = "", message: str = "no", **headers: str) -> web.Response:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return web.json_response(body, status=code, headers=headers)


def page(names: str, position: str = "") -> web.Response:
    items = [{"metadata": {"name": name}} for name in names]
    metadata = {"resourceVersion": "7", "continue": position}
    return web.json_response({"metadata": metadata, "items": items})


async def test_a_busy_server_is_asked_once_and_its_wish_is_passed_on(
    serve: Serve, connect: Connect
) -> None:
    asked: list[str] = []

    async def busy(request: web.Request) -> web.Response:
        asked.append(request.method)
        return status(429, "TooManyRequests", **{"Retry-After": "3"})

    client = await connect(await serve(busy))
    with pytest.raises(TooManyRequests) as told:
        await client.create(PODS, {"metadata": {"name": "a"}}, "ns")
    assert told.value.retry_after == 3
    assert asked == ["POST"]


async def test_a_list_whose_pages_expire_starts_again(serve: Serve, connect: Connect) -> None:
    answers = [page("ab", "x"), status(410, "Expired"), page("abc", "y"), page("d")]
    asked: list[dict[str, str]] = []

    async def pages(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return answers.pop(0)

    client = await connect(await serve(pages))
    listing = await client.list(PODS, "ns", label_selector="a=b", limit=3)
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b", "c", "d"]
    assert listing.resource_version == "7"
    assert [query.get("continue") for query in asked] == [None, "x", None, "y"]
    assert {query["labelSelector"] for query in asked} == {"a=b"}


async def test_a_list_whose_pages_always_expire_is_asked_for_whole_at_last(
    serve: Serve, connect: Connect
) -> None:
    limits: list[str | None] = []

    async def pages(request: web.Request) -> web.Response:
        limits.append(request.query.get("limit"))
        return status(410, "Expired")

    client = await connect(await serve(pages))
    with pytest.raises(Gone):
        await client.list(PODS, "ns")
    assert limits == ["500", "500", None]


@pytest.mark.parametrize("nothing", [None, []])
async def test_an_empty_list_may_be_null(serve: Serve, connect: Connect, nothing: Any) -> None:
    async def empty(_: web.Request) -> web.Response:
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": nothing})

    client = await connect(await serve(empty))
    assert (await client.list(PODS, "ns")).items == []


async def test_a_web_page_is_not_an_answer(serve: Serve, connect: Connect) -> None:
    async def portal(_: web.Request) -> web.Response:
        return web.Response(text="<html>Please log in</html>")

    client = await connect(await serve(portal))
    with pytest.raises(UnexpectedAnswer, match="Please log in"):
        await client.get(PODS, "a", "ns")


async def test_a_redirect_is_a_refusal_and_takes_no_token_elsewhere(
    serve: Serve, connect: Connect
) -> None:
    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:1/elsewhere")

    client = await connect(await serve(moved))
    with pytest.raises(ApiError) as told:
        await client.get(PODS, "a", "ns")
    assert told.value.status == 302


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


async def test_a_servers_warning_is_passed_on_once(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def warn(_: web.Request) -> web.Response:
        warning = '299 - "unknown field \\"spec.nonsense\\""'
        return web.json_response({}, status=201, headers={"Warning": warning})

    client = await connect(await serve(warn))
    for name in ("a", "b"):
        await client.create(PODS, {"metadata": {"name": name}}, "ns")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "spec.nonsense" in said[0]


async def test_nobody_there(connect: Connect) -> None:
    client = await connect("http://127.0.0.1:1")
    with pytest.raises(
        ConnectionFailed, match=r"GET .*/pods/a got no whole answer from .*:1"
    ) as told:
        await client.get(PODS, "a", "ns")
    assert told.value.transient


async def test_an_answer_that_breaks_off(serve: Serve, connect: Connect) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    client = await connect(await serve(broken))
    with pytest.raises(ConnectionFailed, match="broke in the middle"):
        await client.get(PODS, "a", "ns")


async def test_an_answer_that_takes_too_long(serve: Serve, connect: Connect) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    client = await connect(await serve(slow), request_timeout=0.1)
    with pytest.raises(ConnectionFailed, match="took too long"):
        await client.get(PODS, "a", "ns")


async def test_a_client_works_inside_its_block_only(serve: Serve) -> None:
    client = Client(Connection(Access("http://127.0.0.1:1", "test")))
    with pytest.raises(RuntimeError, match="async with"):
        await client.get(PODS, "a", "ns")


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
            await anext(client.follow_log("a", "ns"))
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
