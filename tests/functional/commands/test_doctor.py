"""``airflow podlift doctor``."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.functional.commands.conftest import AirflowHome
    from tests.machine import Machine

pytestmark = pytest.mark.functional


def doctor(airflow: AirflowHome, *arguments: str, **options: Any) -> dict[str, Any]:
    """Outcomes and what was said, by the matter that was looked at."""
    import json

    done = airflow.run("doctor", "-o", "json", *arguments, **options)
    checks = json.loads(done.out)
    assert done.code == any(each["outcome"] == "bad" for each in checks)
    return {each["what"]: (each["outcome"], each["says"], each["remedy"]) for each in checks}


def test_nothing_is_wrong(airflow: AirflowHome) -> None:
    found = doctor(airflow, "--no-pod", execution_api_server_url="http://10.0.0.1:8080/execution/")
    assert {outcome for outcome, _, _ in found.values()} == {"good", "skipped"}, found
    assert "Kubernetes v1." in found["API server"][1]
    assert "10.0.0.1" in found["execution API"][1]
    assert found["sample pod"][0] == "skipped"
    text = airflow.run("doctor", "--no-pod")
    assert text.code == 0
    assert "✓ API server" in text.out
    assert "! execution API" in text.out  # localhost


def test_each_mistake_is_told_with_a_remedy(airflow: AirflowHome) -> None:
    template = airflow.home.root / "wrong.yaml"
    template.write_text("spec: {containers: [{name: base, imagee: x}]}")
    secret = {"metadata": {"name": "keys"}, "data": {"key": base64.b64encode(b"short").decode()}}
    path = f"/api/v1/namespaces/{airflow.namespace}/secrets"
    assert airflow.cluster.request("POST", path, secret)[0] == 201
    found = doctor(
        airflow,
        "--no-pod",
        pod_template_file=template,
        seal_secret_name="keys",
        worker_container_tagg="2",
        multi_namespace_mode_namespace_list="other",
    )
    assert found["pod template"][0] == "bad"
    assert "imagee" in found["pod template"][1]
    assert found["seal"][0] == "bad"
    assert "Delete it" in found["seal"][2]
    assert found["settings"][0] == "doubtful"


def test_what_cannot_be_reached_does_not_keep_it_from_the_rest(airflow: AirflowHome) -> None:
    found = doctor(airflow, config_file="/nowhere/kubeconfig")
    assert found["API server"][0] == "bad"
    assert "/nowhere/kubeconfig" in found["API server"][1]
    assert found["log folder"][0] == "good"
    wrong = doctor(airflow, request_timeout="soon")
    assert "request_timeout is 'soon'" in wrong["settings"][1]


class _Health(BaseHTTPRequestHandler):
    """Answers as Airflow's execution API does when it is asked for its health."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/execution/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api(machine: Machine) -> Iterator[str]:
    """URL of an execution API that pods can reach."""
    with HTTPServer((machine.address, 0), _Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://{machine.address}:{server.server_port}/execution/"
        server.shutdown()
        thread.join()


def test_a_pod_finds_airflow(airflow: AirflowHome, machine: Machine, api: str) -> None:
    template = airflow.home.root / "machine.yaml"
    template.write_text(yaml.safe_dump(machine.pod()))
    found = doctor(airflow, pod_template_file=template, execution_api_server_url=api)
    assert found["sample pod"][0] == "good", found
    assert found["API from a pod"] == ("good", f"A pod reaches Airflow at {api}.", "")
    assert found["versions"][0] == "good"
    elsewhere = doctor(
        airflow, pod_template_file=template, execution_api_server_url=api.replace("execution", "x")
    )
    assert elsewhere["API from a pod"][0] == "bad"
    _, body = airflow.cluster.request("GET", f"/api/v1/namespaces/{airflow.namespace}/pods")
    assert body["items"] == []


def test_an_image_that_cannot_run_a_task_is_told(airflow: AirflowHome) -> None:
    found = doctor(airflow, execution_api_server_url="http://10.0.0.1:8080/execution/")
    # busybox on a real node has no Python; on this machine Python is there, and reaches nobody.
    outcomes = {found["sample pod"][0], found.get("API from a pod", ("good",))[0]}
    assert "bad" in outcomes
