"""helm installs, upgrades and removes a chart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.functional, pytest.mark.tools]

CHART = """\
apiVersion: v2
name: greeter
version: 0.1.0
"""
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-greeting
data:
  greeting: {{ .Values.greeting | quote }}
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-greeter
spec:
  containers:
    - name: base
      image: busybox:1.36
      command: [sh, -c, 'echo {{ .Values.announced }}; exec sleep 60']
  terminationGracePeriodSeconds: 0
"""

Helm = Callable[..., str]


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "greeter"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(CHART)
    (folder / "values.yaml").write_text("greeting: hello\nannounced: ready\n")
    (folder / "templates" / "all.yaml").write_text(TEMPLATE)
    return folder


@pytest.fixture
def helm(cluster: Any, namespace: str, tmp_path: Path) -> Helm:
    """Run helm in the test's namespace; returns what it printed."""
    program = shutil.which("helm")
    assert program, "helm is not in the PATH; `make test-tools` and `make test-real` build it."
    folders = {f"HELM_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    environment = {**os.environ, **folders, "KUBECONFIG": str(cluster.kubeconfig)}

    def run(*arguments: str) -> str:
        command = [program, "--namespace", namespace, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_chart_comes_changes_and_goes(
    helm: Helm, chart: Path, cluster: Any, namespace: str
) -> None:
    def greeting() -> str:
        path = f"/api/v1/namespaces/{namespace}/configmaps/first-greeting"
        return str(cluster.request("GET", path)[1]["data"]["greeting"])

    helm("install", "first", str(chart), "--wait", "--timeout", "60s")
    assert greeting() == "hello"
    pod = cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/first-greeter")[1]
    assert pod["status"]["phase"] == "Running"

    helm("upgrade", "first", str(chart), "--set", "greeting=good day", "--wait")
    assert greeting() == "good day"
    listed = json.loads(helm("list", "--output", "json"))
    assert [(each["name"], each["revision"]) for each in listed] == [("first", "2")]

    helm("rollback", "first", "1", "--wait")
    assert greeting() == "hello"

    helm("uninstall", "first", "--wait")
    status, left = cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods")
    assert (status, left["items"]) == (200, [])
    assert json.loads(helm("list", "--all", "--output", "json")) == []
