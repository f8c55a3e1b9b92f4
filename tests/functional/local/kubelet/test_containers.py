"""What a container finds around it: volumes, environment, probes, streams, limits."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest

pytestmark = pytest.mark.functional

Obj = dict[str, Any]


class Cluster(Protocol):
    url: str
    token: str

    def tls(self) -> ssl.SSLContext: ...

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]: ...


class Pods:
    """A namespace of a cluster, by what the tests need of it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.core = f"/api/v1/namespaces/{namespace}"

    def put(self, kind: str, name: str, **fields: Any) -> None:
        status, body = self.cluster.request(
            "POST", f"{self.core}/{kind}", {"metadata": {"name": name}, **fields}
        )
        assert status == 201, body

    def create(
        self, name: str, command: list[str], container: Obj | None = None, **spec: Any
    ) -> None:
        base = {"name": "base", "image": "busybox:1.36", "command": command, **(container or {})}
        self.put(
            "pods",
            name,
            spec={
                "containers": [base],
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 2,
                **spec,
            },
        )

    def get(self, name: str) -> Obj:
        status, pod = self.cluster.request("GET", f"{self.core}/pods/{name}")
        assert status == 200, pod
        return dict(pod)

    def until(self, name: str, *phases: str) -> Obj:
        """The pod once it is in one of the phases (ended, if none is given)."""
        return self.until_true(
            name, lambda pod: pod["status"]["phase"] in (phases or ("Succeeded", "Failed"))
        )

    def until_true(self, name: str, test: Any) -> Obj:
        end = time.monotonic() + 60  # a real kubelet looks again only after ten seconds or more
        while time.monotonic() < end:
            pod = self.get(name)
            if test(pod):
                return pod
            time.sleep(0.025)
        raise AssertionError(pod["status"])

    def log(self, name: str, query: str = "") -> str:
        status, body = self.cluster.request("GET", f"{self.core}/pods/{name}/log{query}")
        assert status == 200, body
        return str(body)

    def output(self, name: str, script: str, container: Obj | None = None, **spec: Any) -> str:
        """The log of a pod that runs a shell script and must succeed."""
        self.create(name, ["sh", "-c", script], container, **spec)
        pod = self.until(name)
        log = self.log(name)
        assert pod["status"]["phase"] == "Succeeded", (pod["status"], log)
        return log

    def events(self, name: str) -> list[tuple[str, str]]:
        _, body = self.cluster.request(
            "GET", f"{self.core}/events?fieldSelector=involvedObject.name={name}"
        )
        return [(event["reason"], event["message"]) for event in body["items"]]


@pytest.fixture
def pods(cluster: Cluster, namespace: str) -> Pods:
    return Pods(cluster, namespace)


def secret(**values: str) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


@pytest.mark.local_only("the service kubernetes has another address")
def test_environment_comes_from_everywhere(pods: Pods) -> None:
    pods.put("secrets", "s", data=secret(PASSWORD="geheim"))
    pods.put("configmaps", "c", data={"COLOUR": "blue"})
    env = [
        {"name": "A", "value": "one"},
        {"name": "B", "value": "$(A)-$(COLOUR)-$(NOPE)-$$(A)"},
        {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "PASSWORD"}}},
        {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {
            "name": "M",
            "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
        },
    ]
    container = {
        "env": env,
        "envFrom": [{"configMapRef": {"name": "c"}}],
        "args": ["$(B)"],
        "resources": {"limits": {"memory": "64Mi"}},
    }
    out = pods.output(
        "env", 'echo "$A|$B|$P|$N|$M|$0|$KUBERNETES_SERVICE_HOST|$HOSTNAME"', container
    )
    assert out == "one|one-blue-$(NOPE)-$(A)|geheim|env|64|one-blue-$(NOPE)-$(A)|127.0.0.1|env\n"


@pytest.mark.tools
@pytest.mark.local_only("the real node has no storage class")
def test_volumes_of_all_kinds(pods: Pods, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("from the machine")
    pods.put("secrets", "s", data=secret(key="geheim"))
    pods.put("configmaps", "c", data={"a": "alpha", "b": "beta"})
    pods.put(
        "persistentvolumeclaims",
        "claim",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    )
    volumes = [
        {"name": "empty", "emptyDir": {}},
        {"name": "host", "hostPath": {"path": str(tmp_path), "type": "Directory"}},
        {"name": "cm", "configMap": {"name": "c", "items": [{"key": "a", "path": "sub/first"}]}},
        {"name": "sec", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {"name": "pvc", "persistentVolumeClaim": {"claimName": "claim"}},
        {
            "name": "down",
            "downwardAPI": {
                "items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]
            },
        },
        {
            "name": "all",
            "projected": {
                "sources": [
                    {"configMap": {"name": "c"}},
                    {"secret": {"name": "s"}},
                    {"serviceAccountToken": {"path": "token"}},
                ]
            },
        },
    ]
    mounts = [
        {"name": "empty", "mountPath": "/no-such-folder/work", "subPath": "deep/er"},
        {"name": "empty", "mountPath": "/no-such-folder/whole"},
        {"name": "host", "mountPath": "/mnt/host", "readOnly": True},
        {"name": "cm", "mountPath": "/etc/conf"},
        {"name": "sec", "mountPath": "/etc/sec"},
        {"name": "pvc", "mountPath": "/data"},
        {"name": "down", "mountPath": "/etc/down"},
        {"name": "all", "mountPath": "/etc/all"},
        {"name": "cm", "mountPath": "/opt/one-file", "subPath": "sub/first"},
    ]
    script = """
        echo sub > /no-such-folder/work/f; cat /no-such-folder/whole/deep/er/f
        cat /mnt/host/here; echo; touch /mnt/host/new 2>/dev/null || echo read-only
        cat /etc/conf/sub/first /etc/sec/key /etc/down/name /opt/one-file; echo
        stat -L -c %a /etc/sec/key
        ls /etc/all | tr '\\n' ' '; echo kept > /data/file; test -s /etc/all/token && echo token
    """
    out = pods.output("vols", script, {"volumeMounts": mounts}, volumes=volumes)
    assert out.splitlines() == [
        "sub",
        "from the machine",
        "read-only",
        "alphageheimvolsalpha",
        "400",
        "a b key token token",
    ]
    again = pods.output(
        "again",
        "cat /data/file",
        {"volumeMounts": [{"name": "pvc", "mountPath": "/data"}]},
        volumes=[volumes[4]],
    )
    assert again == "kept\n"
    assert not Path("/no-such-folder").exists()


@pytest.mark.tools
@pytest.mark.local_only("its containers run programs of this machine")
def test_credentials_reach_the_api_server(pods: Pods) -> None:
    script = """
        import json, os, ssl, urllib.request
        folder = '/var/run/secrets/kubernetes.io/serviceaccount/'
        token, namespace = open(folder + 'token').read(), open(folder + 'namespace').read()
        host, port = os.environ['KUBERNETES_SERVICE_HOST'], os.environ['KUBERNETES_SERVICE_PORT']
        request = urllib.request.Request(
            f'https://{host}:{port}/api/v1/namespaces/{namespace}/pods/self',
            headers={'Authorization': 'Bearer ' + token},
        )
        context = ssl.create_default_context(cafile=folder + 'ca.crt')
        print(json.load(urllib.request.urlopen(request, context=context))['metadata']['name'])
    """
    lines = [line[8:] for line in script.splitlines()]
    pods.create("self", ["python3", "-c", "\n".join(lines)])
    pods.until("self")
    assert pods.log("self") == "self\n"


@pytest.mark.local_only("a real cluster pulls the image")
def test_missing_command_is_explained(pods: Pods) -> None:
    pods.put("pods", "x", spec={"containers": [{"name": "base", "image": "postgres:16"}]})
    pod = pods.until_true("x", lambda pod: "CreateContainerError" in json.dumps(pod["status"]))
    waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["message"] == (
        "the local cluster does not pull images and so does not know the entrypoint of "
        "postgres:16; set command"
    )


def test_secret_that_comes_later_lets_the_pod_start(pods: Pods) -> None:
    env = [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}]
    pods.create("wait", ["sh", "-c", "echo $P"], {"env": env})
    pods.until_true("wait", lambda pod: "CreateContainerConfigError" in json.dumps(pod["status"]))
    pods.put("secrets", "late", data=secret(k="now"))
    pods.until("wait")
    assert pods.log("wait") == "now\n"


def test_volume_at_a_fixed_path_needs_bubblewrap(bare_cluster: Cluster) -> None:
    pods = Pods(bare_cluster, "default")
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    pods.create("v", ["true"], mount, volumes=[{"name": "v", "emptyDir": {}}])
    pod = pods.until("v")
    assert pod["status"]["reason"] == "FailedMount"
    assert "install the package bubblewrap" in pod["status"]["message"]
    assert [reason for reason, _ in pods.events("v")] == ["Scheduled", "FailedMount"]


def test_host_path_at_its_own_path_needs_nothing(bare_cluster: Cluster, tmp_path: Path) -> None:
    pods = Pods(bare_cluster, "default")
    mount = {"volumeMounts": [{"name": "v", "mountPath": str(tmp_path)}]}
    volume = {"name": "v", "hostPath": {"path": str(tmp_path)}}
    pods.output("same", f"echo hi > {tmp_path}/file", mount, volumes=[volume])
    assert (tmp_path / "file").read_text() == "hi\n"


@pytest.mark.parametrize("which", ["cluster", "bare_cluster"])
def test_nothing_of_a_container_outlives_it(which: str, request: pytest.FixtureRequest) -> None:
    pods = Pods(request.getfixturevalue(which), "default")
    pods.create("daemon", ["sh", "-c", "setsid sleep 987654 & echo $!"])
    pods.until("daemon")
    time.sleep(0.2)
    assert not is_running("987654")


def is_running(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


@pytest.mark.parametrize("which", ["cluster", "bare_cluster"])
def test_pods_deleted_while_they_start_leave_nothing(
    which: str, request: pytest.FixtureRequest
) -> None:
    pods = Pods(request.getfixturevalue(which), "default")
    for number in range(20):
        pods.create(f"brief-{number}", ["sleep", "975313"], terminationGracePeriodSeconds=0)
        status, _ = pods.cluster.request("DELETE", f"{pods.core}/pods/brief-{number}")
        assert status == 200
    for _ in range(300):
        if not is_running("975313"):
            break
        time.sleep(0.02)
    assert not is_running("975313")


@pytest.mark.local_only("counts in a file that a new container does not have")
def test_previous_log_after_a_restart(pods: Pods) -> None:
    count = "n=$(cat n 2>/dev/null || echo 0); echo run $n; echo $((n+1)) > n; test $n = 1"
    pods.create("again", ["sh", "-c", count], restartPolicy="OnFailure")
    pods.until("again", "Succeeded")
    assert pods.log("again") == "run 1\n"
    assert pods.log("again", "?previous=true") == "run 0\n"


@pytest.mark.local_only("probes a folder of this machine")
def test_probes_decide_readiness_and_restart(pods: Pods, tmp_path: Path) -> None:
    probe = {"exec": {"command": ["test", "-e", str(tmp_path / "ready")]}, "periodSeconds": 1}
    live = {"exec": {"command": ["test", "!", "-e", str(tmp_path / "dead")]}, "periodSeconds": 1}
    container = {"readinessProbe": probe, "livenessProbe": {**live, "failureThreshold": 1}}
    pods.create(
        "probed",
        ["sh", "-c", "trap 'exit 0' TERM; sleep 60 & wait"],
        container,
        restartPolicy="Always",
    )
    pod = pods.until("probed", "Running")
    assert pod["status"]["containerStatuses"][0]["ready"] is False
    (tmp_path / "ready").touch()
    pods.until_true("probed", lambda pod: pod["status"]["containerStatuses"][0]["ready"])
    (tmp_path / "dead").touch()
    pods.until_true("probed", lambda pod: pod["status"]["containerStatuses"][0]["restartCount"])
    (tmp_path / "dead").unlink()
    reasons = [reason for reason, _ in pods.events("probed")]
    assert "Unhealthy" in reasons
    assert ("Killing", "Container base failed liveness probe, will be restarted") in pods.events(
        "probed"
    )


@pytest.mark.local_only("its containers run programs of this machine")
def test_probes_over_the_network(pods: Pods) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    container = {
        "ports": [{"name": "web", "containerPort": port}],
        "startupProbe": {"tcpSocket": {"port": "web"}, "periodSeconds": 1, "failureThreshold": 20},
        "readinessProbe": {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1},
    }
    command = ["python3", "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    pods.create("web", command, container, terminationGracePeriodSeconds=0)
    first = pods.until("web", "Running")["status"]["containerStatuses"][0]
    assert (first["started"], first["ready"]) == (False, False)
    pods.until_true("web", lambda pod: pod["status"]["containerStatuses"][0]["ready"])
    assert '"GET / HTTP/1.1" 200' in pods.log("web")


@pytest.mark.local_only("writes into a folder of this machine")
def test_pre_stop_hook_runs_before_the_end(pods: Pods, tmp_path: Path) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", f"echo stop > {tmp_path}/hook"]}}}
    pods.create("hooked", ["sleep", "60"], {"lifecycle": hook}, terminationGracePeriodSeconds=1)
    pods.until("hooked", "Running")
    pods.cluster.request("DELETE", f"{pods.core}/pods/hooked")
    for _ in range(200):
        if pods.cluster.request("GET", f"{pods.core}/pods/hooked")[0] == 404:
            break
        time.sleep(0.02)
    assert (tmp_path / "hook").read_text() == "stop\n"


class Frames:
    """A websocket to ``exec`` or ``attach``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.channels: dict[int, bytes] = {}

    async def send(self, channel: int, data: bytes) -> None:
        await self.socket.send_bytes(bytes([channel]) + data)

    async def until(self, channel: int, text: bytes) -> None:
        while text not in self.channels.get(channel, b""):
            data = (await self.socket.receive(timeout=10)).data
            assert isinstance(data, bytes), self.channels
            self.channels[data[0]] = self.channels.get(data[0], b"") + data[1:]

    async def end(self) -> Obj:
        async for message in self.socket:
            self.channels[message.data[0]] = (
                self.channels.get(message.data[0], b"") + message.data[1:]
            )
        return dict(json.loads(self.channels[3]))


@pytest.fixture
async def session(cluster: Cluster) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {cluster.token}"}
    connector = aiohttp.TCPConnector(ssl=cluster.tls())
    async with aiohttp.ClientSession(cluster.url, headers=headers, connector=connector) as session:
        yield session


def connect(session: aiohttp.ClientSession, path: str, query: str) -> Any:
    return session.ws_connect(f"{path}?{query}", protocols=("v5.channel.k8s.io",))


@pytest.mark.tools
@pytest.mark.local_only("its containers run programs of this machine")
async def test_exec_in_the_containers_namespaces(
    pods: Pods, session: aiohttp.ClientSession
) -> None:
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/seen-only-here"}]}
    script = "echo x > /seen-only-here/f; sleep 60"
    await asyncio.to_thread(
        pods.create, "e", ["sh", "-c", script], mount, volumes=[{"name": "v", "emptyDir": {}}]
    )
    await asyncio.to_thread(pods.until, "e", "Running")
    query = "stdin=true&stdout=true&stderr=true&command=sh&command=-c&command=" + (
        "cat /seen-only-here/f; cat /proc/1/cmdline; cat; echo err >%262; exit 3"
    ).replace(" ", "%20").replace(";", "%3B")
    async with connect(session, f"{pods.core}/pods/e/exec", query) as websocket:
        frames = Frames(websocket)
        await frames.send(0, b"typed")
        await frames.send(255, b"\0")
        status = await frames.end()
    assert frames.channels[1].startswith(b"x\n")
    assert b"seen-only-here" in frames.channels[1], "process 1 is the container's"
    assert frames.channels[1].endswith(b"typed")
    assert frames.channels[2] == b"err\n"
    assert status["details"]["causes"][0]["message"] == "3"


@pytest.mark.local_only("its containers run programs of this machine")
async def test_exec_with_a_terminal(pods: Pods, session: aiohttp.ClientSession) -> None:
    await asyncio.to_thread(pods.create, "t", ["sleep", "60"])
    await asyncio.to_thread(pods.until, "t", "Running")
    query = "stdin=true&stdout=true&tty=true&command=sh"
    async with connect(session, f"{pods.core}/pods/t/exec", query) as websocket:
        frames = Frames(websocket)
        await frames.send(4, b'{"Width": 111, "Height": 33}')
        await frames.send(0, b"stty size; echo ok-$((1+1))\n")
        await frames.until(1, b"ok-2")
        await frames.send(0, b"exit 5\n")
        status = await frames.end()
    assert b"33 111" in frames.channels[1]
    assert status["details"]["causes"][0]["message"] == "5"


@pytest.mark.since_minor(30, "exec and attach speak v5")
async def test_exec_of_a_missing_command(pods: Pods, session: aiohttp.ClientSession) -> None:
    await asyncio.to_thread(pods.create, "m", ["sleep", "60"])
    await asyncio.to_thread(pods.until, "m", "Running")
    query = "stdout=true&command=/no/such"
    async with connect(session, f"{pods.core}/pods/m/exec", query) as websocket:
        status = await Frames(websocket).end()
    assert status["code"] == 500
    assert 'exec: "/no/such": stat /no/such: no such file or directory' in status["message"]


@pytest.mark.since_minor(30, "exec and attach speak v5")
async def test_attach_hands_over_input_and_output(
    pods: Pods, session: aiohttp.ClientSession
) -> None:
    script = "read line; echo got $line; echo err >&2; sleep 0.5"
    await asyncio.to_thread(pods.create, "a", ["sh", "-c", script], {"stdin": True})
    await asyncio.to_thread(pods.until, "a", "Running")
    query = "stdin=true&stdout=true&stderr=true&container=base"
    async with connect(session, f"{pods.core}/pods/a/attach", query) as websocket:
        frames = Frames(websocket)
        await frames.send(0, b"world\n")
        status = await frames.end()
    assert (frames.channels[1], frames.channels[2]) == (b"got world\n", b"err\n")
    assert status["status"] == "Success"


async def test_log_is_followed_to_its_end(pods: Pods, session: aiohttp.ClientSession) -> None:
    await asyncio.to_thread(
        pods.create, "f", ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"]
    )
    await asyncio.to_thread(pods.until, "f", "Running", "Succeeded")
    async with session.get(f"{pods.core}/pods/f/log?follow=true") as answer:
        assert await answer.text() == "1\n2\n3\n"
