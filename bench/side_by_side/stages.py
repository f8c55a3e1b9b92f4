"""What KWOK plays: nodes that are ready, and pods that run for as long as their annotation says.

https://kwok.sigs.k8s.io/docs/user/stages-configuration/
"""

from __future__ import annotations

from typing import Any

from bench.load import RUN_SECONDS

NODES = 10
_AT_ONCE = 32
"""Pods whose next stage KWOK plays at the same time: as many requests as others make."""

_ALIVE = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}

_RUNNING = """
{{ $now := Now }}
conditions:
{{ range $kind := list "Initialized" "Ready" "ContainersReady" }}
- type: {{ $kind }}
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  started: true
  restartCount: 0
  state:
    running:
      startedAt: {{ $now | Quote }}
{{ end }}
phase: Running
startTime: {{ $now | Quote }}
"""

_SUCCEEDED = """
{{ $now := Now }}
conditions:
{{ range $kind := list "Ready" "ContainersReady" }}
- type: {{ $kind }}
  status: "False"
  reason: PodCompleted
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: false
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ $now | Quote }}
      finishedAt: {{ $now | Quote }}
{{ end }}
phase: Succeeded
"""

_NODE = """
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
allocatable: {cpu: 1k, memory: 1Ti, pods: 1M}
capacity: {cpu: 1k, memory: 1Ti, pods: 1M}
phase: Running
"""


def configuration() -> list[dict[str, Any]]:
    """The documents of KWOK's configuration file."""
    options = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "manageAllNodes": True,
            "podPlayStageParallelism": _AT_ONCE,
            "nodePlayStageParallelism": 4,
            "nodeLeaseParallelism": 4,
            "nodeLeaseDurationSeconds": 40,
            "podsOnNodeSyncParallelism": 1,
        },
    }
    # KWOK wants a duration with a unit, and takes its default for what is none.
    lifetime = {"expressionFrom": f'.metadata.annotations["{RUN_SECONDS}"] + "s"'}
    not_ready = {
        "key": '.status.conditions.[] | select( .type == "Ready" ) | .status',
        "operator": "NotIn",
        "values": ["True"],
    }
    gone = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
    return [
        options,
        _stage("node-ready", "Node", [not_ready], {"statusTemplate": _NODE}),
        _stage("pod-runs", "Pod", [_ALIVE, _phase("Pending")], {"statusTemplate": _RUNNING}),
        _stage(
            "pod-succeeds",
            "Pod",
            [_ALIVE, _phase("Running")],
            {"statusTemplate": _SUCCEEDED},
            delay={"durationMilliseconds": 500, "durationFrom": lifetime},
        ),
        _stage("pod-goes", "Pod", [gone], {"delete": True}),
    ]


def nodes() -> list[dict[str, Any]]:
    """The nodes that KWOK is to play."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"bench-{number}", "annotations": {"kwok.x-k8s.io/node": "fake"}},
        }
        for number in range(NODES)
    ]


def _phase(phase: str) -> dict[str, Any]:
    return {"key": ".status.phase", "operator": "In", "values": [phase]}


def _stage(
    name: str,
    kind: str,
    when: list[dict[str, Any]],
    then: dict[str, Any],
    **more: dict[str, Any],
) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": when},
            "next": then,
            **more,
        },
    }
