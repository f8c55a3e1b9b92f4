"""Who gets through to whom, by the chart's network policies.

The node of the tests enforces none, so they are read here as
https://kubernetes.io/docs/concepts/services-networking/network-policies/ has it.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.functional.deploy.charts import Object, containers_of, pods_of
from tests.functional.deploy.conftest import Render

from podlift.pods.labels import Identity, labels_of

pytestmark = [pytest.mark.functional, pytest.mark.tools]

IDENTITY = Identity(dag_id="d", task_id="t", run_id="r", ti_id="i")
TASK, OPERATOR, STRANGER = "a task", "an operator's pod", "a stranger"
ELSEWHERE = {"workers": {"namespace": "tasks", "networkPolicy": {"enabled": True}}}
GUARDED: dict[str, Any] = {
    "apiServer": {"networkPolicy": {"ingress": {"from": [{"namespaceSelector": {}}]}}}
}
PORTS = {"postgresql": 5432, "api-server": 8080, "scheduler": 8793, "triggerer": 8794}
WITH_DATABASE = ("api-server", "scheduler", "dag-processor", "triggerer", "migrations")


def _labels(who: str) -> dict[str, str]:
    instance = {"app.kubernetes.io/instance": "airflow"}  # what the template of task pods adds
    if who == STRANGER:
        return {"app": "stranger"}
    if who == TASK:
        return labels_of(IDENTITY) | instance
    if who == OPERATOR:
        return labels_of(IDENTITY, "operator")
    return {"app.kubernetes.io/name": "airflow", "app.kubernetes.io/component": who} | instance


def _chosen(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    rules = selector.get("matchExpressions", [])
    assert all(each["operator"] == "NotIn" for each in rules)
    return not any(labels.get(each["key"]) in each["values"] for each in rules)


def _is_from(peer: dict[str, Any], who: str, home: str, policys: str) -> bool:
    namespace = {"kubernetes.io/metadata.name": home}
    if "namespaceSelector" not in peer:
        same = home == policys
    else:
        same = _chosen(peer["namespaceSelector"], namespace)
    return same and _chosen(peer.get("podSelector", {}), _labels(who))


def _gets_through(
    objects: list[Object], who: str, to: str, port: int, home: str = "airflow", at: str = "airflow"
) -> bool:
    """Whether ``who``, a pod in namespace ``home``, reaches that port of ``to`` in ``at``."""
    policies = [
        each
        for each in objects
        if each["kind"] == "NetworkPolicy" and each["metadata"]["namespace"] == at
        if _chosen(each["spec"]["podSelector"], _labels(to))
    ]
    rules = [rule for each in policies for rule in each["spec"].get("ingress", [])]
    return not policies or any(
        port in [each["port"] for each in rule["ports"]]
        and ("from" not in rule or any(_is_from(peer, who, home, at) for peer in rule["from"]))
        for rule in rules
    )


def test_the_ports_that_are_opened_are_served_and_the_kubelet_alone_asks_another(
    render: Render,
) -> None:
    objects = render()
    served = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: [
            port["containerPort"] for each in containers_of(pod) for port in each.get("ports", [])
        ]
        for name, pod in pods_of(objects)
        if not name.startswith(("Pod/", "ConfigMap/"))
    }
    opened = {name: [port] for name, port in PORTS.items()}
    opened["scheduler"].insert(0, 8974)  # what its probes ask
    assert {name: ports for name, ports in served.items() if ports} == opened


@pytest.mark.parametrize("who", WITH_DATABASE)
def test_components_reach_the_database(render: Render, who: str) -> None:
    assert _gets_through(render(), who, "postgresql", 5432)


@pytest.mark.parametrize("who", [TASK, OPERATOR, STRANGER])
def test_nobody_else_does(render: Render, who: str) -> None:
    assert not _gets_through(render(), who, "postgresql", 5432)


@pytest.mark.parametrize("to", ["scheduler", "triggerer"])
def test_the_api_server_alone_reads_logs(render: Render, to: str) -> None:
    assert _gets_through(render(), "api-server", to, PORTS[to])
    for who in (TASK, OPERATOR, STRANGER, "dag-processor"):
        assert not _gets_through(render(), who, to, PORTS[to])


@pytest.mark.parametrize("values", [{}, ELSEWHERE, GUARDED, {**ELSEWHERE, **GUARDED}])
def test_tasks_reach_the_api_server(render: Render, values: dict[str, Any]) -> None:
    home = "tasks" if "workers" in values else "airflow"
    assert _gets_through(render(values), TASK, "api-server", 8080, home=home)


def test_who_else_reaches_the_api_server_is_for_the_user_to_say(render: Render) -> None:
    from_one = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
    guarded = render({"apiServer": {"networkPolicy": {"ingress": {"from": from_one}}}})
    assert _gets_through(render(), STRANGER, "api-server", 8080, home="other")
    assert not _gets_through(guarded, STRANGER, "api-server", 8080, home="other")
    assert _gets_through(guarded, STRANGER, "api-server", 8080, home="ingress")


def test_nobody_reaches_what_serves_nothing(render: Render) -> None:
    objects = render(ELSEWHERE)
    for who in (TASK, STRANGER, "scheduler", "api-server"):
        for to in ("dag-processor", "migrations"):
            assert not _gets_through(objects, who, to, 8080)
        assert not _gets_through(objects, who, TASK, 8080, at="tasks")
