"""kubectl works against the local cluster as against a real one."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.functional, pytest.mark.tools]

Kubectl = Callable[..., str]


@pytest.fixture
def environment(cluster: Any, tmp_path: Path) -> dict[str, str]:
    """Where kubectl finds the cluster and keeps its caches."""
    return {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "KUBECACHEDIR": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
    }


@pytest.fixture
def kubectl(environment: dict[str, str], namespace: str) -> Kubectl:
    """Run kubectl in the test's namespace; returns what it printed."""
    program = shutil.which("kubectl")
    assert program, "kubectl is not installed; these tests need it in the PATH."

    def run(*arguments: str, stdin: str = "", code: int = 0) -> str:
        done = subprocess.run(
            [str(program), "-n", namespace, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            env=environment,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def pod(name: str, script: str, **labels: str) -> str:
    """A pod that runs a shell script, as JSON."""
    container = {"name": "base", "image": "busybox:1.36", "command": ["sh", "-c", script]}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "containers": [container],
            },
        }
    )


def test_get_shows_a_table_with_the_status(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=pod("one", "exit 0"))
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/one", "--timeout=60s")
    header, row = kubectl("get", "pods").splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["one", "0/1", "Completed", "0"]


def test_get_watches(kubectl: Kubectl, environment: dict[str, str], namespace: str) -> None:
    watching = subprocess.Popen(
        ["kubectl", "-n", namespace, "get", "pods", "-w", "-o", "name"],
        stdout=subprocess.PIPE,
        env=environment,
    )
    try:
        kubectl("create", "-f", "-", stdin=pod("seen", "exit 0"))
        assert watching.stdout is not None
        ready, _, _ = select.select([watching.stdout], [], [], 20)
        assert ready, "the watch showed nothing"
        assert watching.stdout.readline().strip() == b"pod/seen"
    finally:
        watching.kill()
        watching.communicate()


def test_describe_shows_the_events(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-f", "-", stdin=pod("one", "exit 3"))
    kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/one", "--timeout=60s")
    text = kubectl("describe", "pod", "one")
    node = json.loads(kubectl("get", "pod", "one", "-o", "json"))["spec"]["nodeName"]
    assert f"Successfully assigned {namespace}/one to {node}" in text
    assert "Exit Code:    3" in text


def test_logs_follow_until_the_container_ends(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=pod("one", "for i in 1 2 3; do echo line $i; done; sleep 3"))
    kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    assert kubectl("logs", "-f", "one").splitlines() == ["line 1", "line 2", "line 3"]


def test_exec_runs_a_command_and_tells_its_exit_code(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=pod("one", "sleep 60"))
    kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    assert kubectl("exec", "one", "--", "echo", "hello") == "hello\n"
    # kubectl may add on stderr that it heard from a stream which it had closed by then.
    said = kubectl("exec", "-i", "one", "--", "cat", stdin="from here\n")
    assert said.splitlines()[0] == "from here"
    assert "exit code 3" in kubectl("exec", "one", "--", "sh", "-c", "exit 3", code=3)


def test_apply_changes_only_what_was_applied(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=pod("one", "sleep 60", a="1", b="2"))
    kubectl("label", "pod", "one", "c=3")
    assert "configured" in kubectl("apply", "-f", "-", stdin=pod("one", "sleep 60", a="9"))
    labels = json.loads(kubectl("get", "pod", "one", "-o", "json"))["metadata"]["labels"]
    assert labels == {"a": "9", "c": "3"}


def test_server_side_apply_removes_what_is_no_longer_applied(kubectl: Kubectl) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    kubectl(*apply, stdin=pod("one", "sleep 60", a="1", b="2"))
    kubectl("label", "pod", "one", "c=3")
    kubectl(*apply, stdin=pod("one", "sleep 60", a="9"))
    labels = json.loads(kubectl("get", "pod", "one", "-o", "json"))["metadata"]["labels"]
    assert labels == {"a": "9", "c": "3"}


def test_server_side_apply_by_two_managers_conflicts(kubectl: Kubectl) -> None:
    apply = ("apply", "--server-side", "-f", "-", "--field-manager")
    kubectl(*apply, "one", stdin=pod("one", "sleep 60", a="1"))
    text = kubectl(*apply, "two", stdin=pod("one", "sleep 60", a="2"), code=1)
    assert 'conflict with "one"' in text
    assert ".metadata.labels.a" in text
    kubectl(*apply, "two", "--force-conflicts", stdin=pod("one", "sleep 60", a="2"))


def test_a_wrong_field_is_refused(kubectl: Kubectl) -> None:
    manifest = json.loads(pod("one", "true"))
    manifest["spec"]["nonsense"] = 1
    text = kubectl("apply", "-f", "-", stdin=json.dumps(manifest), code=1)
    assert 'unknown field "spec.nonsense"' in text


def test_delete_waits_for_the_pod_to_be_gone(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=pod("one", "sleep 60"))
    kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    start = time.monotonic()
    assert 'pod "one" deleted' in kubectl("delete", "pod", "one")
    assert time.monotonic() - start < 15
    assert "NotFound" in kubectl("get", "pod", "one", code=1)


def test_explain_knows_the_fields(kubectl: Kubectl) -> None:
    text = kubectl("explain", "pods.spec.containers")
    assert "FIELD: containers <[]Container>" in text
    assert "volumeMounts" in text
    assert "backoffLimit" in kubectl("explain", "job.spec")


def test_auth_can_i_answers(kubectl: Kubectl) -> None:
    assert "yes" in kubectl("auth", "can-i", "create", "pods")
    told = dict(line.split(maxsplit=1) for line in kubectl("auth", "whoami").splitlines())
    assert told["Username"].endswith("admin")
    assert "system:masters" in told["Groups"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("configmap", "made", "--from-literal=a=b"),
        ("secret", "generic", "made", "--from-literal=a=b"),
        ("serviceaccount", "made"),
        ("quota", "made", "--hard=pods=3"),
        ("job", "made", "--image=busybox:1.36", "--", "true"),
    ],
)
def test_create_makes_other_kinds(kubectl: Kubectl, arguments: tuple[str, ...]) -> None:
    assert "created" in kubectl("create", *arguments)
    kind = "resourcequota" if arguments[0] == "quota" else arguments[0]
    assert "made" in kubectl("get", kind)
    assert "made" in kubectl("describe", kind, "made")


def test_run_and_api_resources(kubectl: Kubectl) -> None:
    assert "pods" in kubectl("api-resources", "--cached=false")
    text = kubectl(
        "run", "quick", "--image=busybox:1.36", "--restart=Never", "--attach", "--rm",
        "--command", "--", "sh", "-c", "sleep 1; echo done",
    )  # fmt: skip
    assert "done" in text


def test_the_node_can_be_looked_at(kubectl: Kubectl) -> None:
    header, row = kubectl("get", "nodes", "-o", "wide").splitlines()
    name, status = row.split()[:2]
    assert (header.split()[:2], status) == (["NAME", "STATUS"], "Ready")
    assert "Allocatable" in kubectl("describe", "node", name)


def test_exec_with_a_terminal(
    kubectl: Kubectl, environment: dict[str, str], namespace: str
) -> None:
    kubectl("apply", "-f", "-", stdin=pod("typed", "exec sleep 60"))
    kubectl("wait", "--for=condition=Ready", "pod/typed", "--timeout=60s")
    ours, theirs = pty.openpty()
    command = [
        "kubectl",
        "-n",
        namespace,
        "exec",
        "-it",
        "typed",
        "--",
        "sh",
        "-c",
        "test -t 0 && echo terminal; read a; echo got $a",
    ]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        read_until(ours, b"terminal")
        os.write(ours, b"a line\n")
        read_until(ours, b"got a line")
        assert process.wait(timeout=60) == 0
    os.close(ours)


def test_cp_brings_files_in_and_out(kubectl: Kubectl, tmp_path: Path) -> None:
    manifest = json.loads(pod("copied", "exec sleep 60"))
    manifest["spec"]["volumes"] = [{"name": "files", "emptyDir": {}}]
    mount = {"name": "files", "mountPath": "/files"}
    manifest["spec"]["containers"][0]["volumeMounts"] = [mount]
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    kubectl("wait", "--for=condition=Ready", "pod/copied", "--timeout=60s")
    (tmp_path / "in.bin").write_bytes(bytes(range(256)) * 4096)
    kubectl("cp", str(tmp_path / "in.bin"), "copied:/files/inside.bin")
    kubectl("cp", "copied:/files/inside.bin", str(tmp_path / "out.bin"))
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "in.bin").read_bytes()


def read_until(terminal: int, wanted: bytes) -> bytes:
    """What a terminal shows up to and with ``wanted``."""
    shown = b""
    while wanted not in shown:
        assert select.select([terminal], [], [], 30)[0], shown
        shown += os.read(terminal, 4096)
    return shown
