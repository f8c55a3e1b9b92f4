"""Starts and stops the node: etcd, the control plane, containerd and the kubelet.

Flags that look odd are for small virtual machines: cgroup v1, and no right to lower a process's
out-of-memory score.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from tests.real import building, images, network, processes, services
from tests.real.certificates import Authority, make_authority
from tests.real.errors import RealClusterError
from tests.real.network import NAMES, NODE, SERVICE, inside
from tests.real.paths import KUBECONFIG, RUN

URL = f"https://{NODE}:443"
ETCD = "http://127.0.0.1:2379"
_TOOLS = {
    "containerd": "containerd",
    "runc": "runc",
    "ctr": "containerd",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "busybox": "busybox-static",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
}
_CGROUPS = Path("/sys/fs/cgroup")
_ENDING_SECONDS = 10.0
_SOCKET = RUN / "containerd.sock"


def up(minor: str | None = None) -> Path:
    """Start the node, or find it running; return the path of its kubeconfig.

    Without ``minor``, one that runs will do, whichever version it has.

    Raises ``RealClusterError`` for a missing tool or right, for a running node of another version
    than ``minor``, and with a program's last words when it does not come up.
    """
    if is_up():
        if minor not in (None, running := running_minor()):
            raise RealClusterError(
                f"A node with Kubernetes {running} runs: stop it first, by make cluster-real-down."
            )
        return KUBECONFIG
    programs, etcd = prepare(minor or building.DEFAULT_MINOR)
    down()
    RUN.mkdir(parents=True, mode=0o755)
    network.up()
    authority = make_authority(RUN / "pki")
    _start_etcd(etcd)
    _start_control_plane(programs, authority)
    services.start(programs, building.coredns())
    _start_containerd()
    _start_kubelet(programs, authority)
    _until(_node_is_ready, 90, "kubelet")
    _until(services.names_are_known, 30, services.DNS)
    _until(services.addresses_are_known, 30, services.PROXY)
    return KUBECONFIG


def prepare(minor: str = building.DEFAULT_MINOR) -> tuple[Path, Path]:
    """Check that a node can run here, then build what it is made of: Kubernetes, etcd and CoreDNS.

    Raises as ``up`` does, before anything is built that could not be used.
    """
    _check_root()
    _check_tools()
    programs, etcd = building.kubernetes(minor), building.etcd()
    building.coredns()
    building.pause()
    return programs, etcd


def is_up() -> bool:
    """Whether a node runs and its API server says that it is ready."""
    _check_root()
    return processes.alive("kubelet") and _is_ready()


def running_minor() -> str | None:
    """The minor version of the node that runs, such as ``1.36``; None when none does."""
    _check_root()
    said = _get("/version")
    if said is None:
        return None
    version = json.loads(said)
    return f"{version['major']}.{version['minor']}"


def stop_kubelet() -> None:
    """Let the node fall silent. What runs on it goes on, and nobody is told."""
    processes.stop("kubelet")


def start_kubelet_again() -> None:
    """Bring the node back, also when its object was deleted meanwhile."""
    if not processes.alive("kubelet"):
        processes.start_again("kubelet")
    _until(_node_is_ready, 90, "kubelet")


def forget_history() -> None:
    """Compact etcd's history to the present, and restart the API server, which remembers some.

    After that a watch from any earlier version is answered by 410 Gone.
    """
    processes.stop("kube-apiserver", at_once=True)  # asked, it would wait for its watches' clients
    present = _ask_etcd("/v3/kv/range", key="AA==")["header"]["revision"]
    _ask_etcd("/v3/kv/compaction", revision=present, physical=True)
    processes.start_again("kube-apiserver")
    _until(_is_ready, 90, "kube-apiserver")


def down() -> None:
    """Stop whatever runs of a node, also of one whose command was killed, and remove its state."""
    _check_root()
    processes.stop("kubelet")  # first: it would start again what is ended here
    _end_containers()
    processes.stop_all()
    for pid in processes.shims_below(RUN):
        os.kill(pid, 9)
    _unmount_below(RUN)
    _remove_cgroups()
    network.down()
    if RUN.exists():
        shutil.rmtree(RUN)


def _check_root() -> None:
    if os.geteuid() != 0:
        raise RealClusterError(
            "A kubelet needs root: run this as root, or give --cluster a kubeconfig."
        )


def _check_tools() -> None:
    missing = sorted({package for tool, package in _TOOLS.items() if not shutil.which(tool)})
    if missing:
        raise RealClusterError(f"Missing on this machine: apt install {' '.join(missing)}")
    if not _CGROUPS.is_dir():
        raise RealClusterError("This machine has no cgroups, without which a kubelet cannot run.")


def _start_etcd(home: Path) -> None:
    processes.start(
        "etcd",
        [
            str(home / "etcd"),
            f"--data-dir={RUN / 'etcd'}",
            f"--listen-client-urls={ETCD}",
            f"--advertise-client-urls={ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
        ],
    )


def _start_control_plane(programs: Path, authority: Authority) -> None:
    server = authority.issue(
        "apiserver",
        "kube-apiserver",
        hosts=(NODE, SERVICE, "127.0.0.1", "kubernetes", "kubernetes.default.svc"),
    )
    kubelet_client = authority.issue("kubelet-client", "kube-apiserver", groups=("system:masters",))
    account = authority.issue("service-accounts", "service-accounts")
    users = {
        "admin": ("admin", "system:masters"),
        "controllers": ("system:kube-controller-manager", ""),
        "scheduler": ("system:kube-scheduler", ""),
        "kubelet": ("system:node:node", "system:nodes"),
        services.PROXY: ("system:kube-proxy", ""),
    }
    tokens = {name: secrets.token_urlsafe(24) for name in users}
    lines = [f'{tokens[name]},{user},{name},"{group}"' for name, (user, group) in users.items()]
    _private(RUN / "pki" / "tokens.csv", "\n".join(lines) + "\n")
    for name, token in tokens.items():
        path = KUBECONFIG if name == "admin" else RUN / f"{name}.kubeconfig"
        _private(path, yaml.safe_dump(_kubeconfig(authority, name, token)))
    processes.start(
        "kube-apiserver",
        [
            str(programs / "kube-apiserver"),
            f"--etcd-servers={ETCD}",
            "--secure-port=443",
            f"--advertise-address={NODE}",
            f"--service-cluster-ip-range={SERVICE}/16",
            f"--tls-cert-file={server[0]}",
            f"--tls-private-key-file={server[1]}",
            f"--client-ca-file={authority.path}",
            f"--token-auth-file={RUN / 'pki' / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            f"--kubelet-client-certificate={kubelet_client[0]}",
            f"--kubelet-client-key={kubelet_client[1]}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={account[1]}",
            f"--service-account-signing-key-file={account[1]}",
            "--allow-privileged=true",
        ],
    )
    _until(_is_ready, 90, "kube-apiserver")
    processes.start(
        "kube-controller-manager",
        [
            str(programs / "kube-controller-manager"),
            f"--kubeconfig={RUN / 'controllers.kubeconfig'}",
            f"--service-account-private-key-file={account[1]}",
            f"--root-ca-file={authority.path}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ],
    )
    processes.start(
        "kube-scheduler",
        [
            str(programs / "kube-scheduler"),
            f"--kubeconfig={RUN / 'scheduler.kubeconfig'}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ],
    )


def _start_containerd() -> None:
    network.write_cni(RUN / "cni")
    settings = RUN / "containerd.toml"
    settings.write_text(
        f"""version = 2
root = "{RUN / "containerd"}"
state = "{RUN / "containerd-state"}"
[grpc]
address = "{_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{images.PAUSE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{RUN / "cni"}"
"""
    )
    processes.start("containerd", ["containerd", f"--config={settings}"])
    _until(lambda: _ctr("version").returncode == 0, 30, "containerd")
    for image in (images.pause(), images.busybox(), images.machine()):
        load_image(image)


def load_image(image: images.Image) -> None:
    """Make an image known to containerd, as if it had been pulled."""
    archive = RUN / "image.tar"
    images.write_archive(image, archive)
    done = _ctr("--namespace=k8s.io", "images", "import", str(archive))
    archive.unlink()
    if done.returncode != 0:
        raise RealClusterError(f"containerd does not take image {image.reference}: {done.stderr}")


def load_layered(image: images.Layered) -> str:
    """Make an image known to containerd, unless it is; give its reference."""
    reference = image.reference
    if reference in _ctr("--namespace=k8s.io", "images", "list", "--quiet").stdout.split():
        return reference
    command = ["ctr", f"--address={_SOCKET}", "--namespace=k8s.io", "images", "import", "-"]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said) as ctr:
            assert ctr.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # its exit code and words tell why
                images.send_archive(image, ctr.stdin)
                ctr.stdin.close()
        said.seek(0)
        if ctr.returncode != 0:
            raise RealClusterError(
                f"containerd does not take image {reference}: {said.read().decode()}"
            )
    return reference


def _start_kubelet(programs: Path, authority: Authority) -> None:
    serving = authority.issue("kubelet", "system:node:node", hosts=(NODE,))
    settings = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(authority.path)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "tlsCertFile": str(serving[0]),
        "tlsPrivateKeyFile": str(serving[1]),
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDomain": services.DOMAIN,
        "clusterDNS": [NAMES],
        "resolvConf": "/etc/resolv.conf",
        "maxPods": 200,
        "registerNode": True,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi"},
        "nodeStatusUpdateFrequency": "5s",
        "shutdownGracePeriod": "0s",
    }
    path = RUN / "kubelet.yaml"
    path.write_text(yaml.safe_dump(settings))
    processes.start(
        "kubelet",
        [
            str(programs / "kubelet"),
            f"--config={path}",
            f"--kubeconfig={RUN / 'kubelet.kubeconfig'}",
            f"--root-dir={RUN / 'kubelet'}",
            f"--cert-dir={RUN / 'pki'}",
            f"--node-ip={NODE}",
            "--hostname-override=node",
        ],
    )


def _kubeconfig(authority: Authority, user: str, token: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "podlift-real",
        "clusters": [
            {
                "name": "podlift-real",
                "cluster": {"server": URL, "certificate-authority": str(authority.path)},
            }
        ],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [
            {"name": "podlift-real", "context": {"cluster": "podlift-real", "user": user}}
        ],
    }


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _ctr(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ctr", f"--address={_SOCKET}", *arguments], capture_output=True, text=True, check=False
    )


def _get(path: str) -> bytes | None:
    """The API server's answer to the administrator; None while it does not answer well."""
    if not KUBECONFIG.exists():
        return None
    token = yaml.safe_load(KUBECONFIG.read_text())["users"][0]["user"]["token"]
    context = ssl.create_default_context(cafile=str(RUN / "pki" / "ca.crt"))
    request = urllib.request.Request(URL + path, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None


def _ask_etcd(path: str, **body: object) -> Any:
    """etcd's answer. It listens on the loopback of the node's namespace, so it is asked there."""
    program = (
        "import sys, urllib.request as r; "
        "print(r.urlopen(sys.argv[1], sys.argv[2].encode(), timeout=30).read().decode())"
    )
    command = inside(sys.executable, "-c", program, ETCD + path, json.dumps(body))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RealClusterError(f"etcd does not answer {path}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def _is_ready() -> bool:
    return _get("/readyz") == b"ok"


def _node_is_ready() -> bool:
    """The node takes pods, and the default service account that pods need is there."""
    node, account = (
        _get("/api/v1/nodes/node"),
        _get("/api/v1/namespaces/default/serviceaccounts/default"),
    )
    if node is None or account is None:
        return False
    conditions = json.loads(node)["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _until(condition: Callable[[], bool], seconds: float, name: str) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        if not processes.alive(name) or time.monotonic() > give_up:
            raise RealClusterError(
                f"{name} does not come up. Its last words:\n{processes.last_words(name)}"
            )
        time.sleep(0.2)


def _end_containers() -> None:
    """End the pods' processes while containerd still knows them."""
    if not processes.alive("containerd"):
        return
    listed = _ctr("--namespace=k8s.io", "tasks", "list", "--quiet")
    for container in listed.stdout.split():
        _ctr("--namespace=k8s.io", "tasks", "delete", "--force", container)


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)


def _remove_cgroups() -> None:
    """Remove the kubelet's cgroups, one tree for each controller (or one in all).

    What still runs in them are containers whose shim died before them.
    """
    for root in (*_CGROUPS.glob("*/kubepods"), _CGROUPS / "kubepods"):
        for procs in root.rglob("cgroup.procs"):
            for pid in procs.read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
        for folder, _, _ in os.walk(root, topdown=False):
            _remove_cgroup(Path(folder))


def _remove_cgroup(folder: Path) -> None:
    give_up = time.monotonic() + _ENDING_SECONDS
    while True:
        try:
            folder.rmdir()
            return
        except OSError as error:  # a process that was killed takes a moment to leave
            if error.errno != errno.EBUSY or time.monotonic() > give_up:
                raise
        time.sleep(0.05)
