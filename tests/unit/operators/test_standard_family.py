"""What the page for those who come from the standard provider says of the pod operator's family."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podlift.operators.custom_object import CustomObjectOperator

PAGE = Path(__file__).parents[3].joinpath("docs/coming-from-the-standard-operator.md").read_text()

_REQUIRED = inspect.Parameter.empty
_CLUSTER = {
    "kubernetes_conn_id": "kubernetes_default",
    "config_file": None,
    "in_cluster": None,
    "cluster_context": None,
}
_YAML = {
    "yaml_conf": None,
    "yaml_conf_file": None,
    "namespace": None,
    "kubernetes_conn_id": "kubernetes_default",
    "custom_resource_definition": False,
    "namespaced": True,
    "config_file": None,
}

STANDARD: dict[str, dict[str, Any]] = {
    "operators.job.KubernetesJobOperator": {
        "job_template_file": None,
        "full_job_spec": None,
        "backoff_limit": None,
        "completion_mode": None,
        "completions": None,
        "manual_selector": None,
        "parallelism": 1,
        "selector": None,
        "suspend": None,
        "ttl_seconds_after_finished": None,
        "wait_until_job_complete": False,
        "job_poll_interval": 10,
        "deferrable": None,  # by [operators] default_deferrable
        "on_kill_propagation_policy": "Foreground",
        "discover_pods_retry_number": 3,
        "unwrap_single": True,
        # of those that the pod operator has as well, what is not the same for a Job
        "active_deadline_seconds": None,
        "startup_timeout_seconds": 120,
        "trigger_kwargs": None,
    },
    "operators.job.KubernetesDeleteJobOperator": {
        "name": _REQUIRED,
        "namespace": _REQUIRED,
        **_CLUSTER,
        "delete_on_status": None,
        "wait_for_completion": False,
        "poll_interval": 10.0,
    },
    "operators.job.KubernetesPatchJobOperator": {
        "name": _REQUIRED,
        "namespace": _REQUIRED,
        "body": _REQUIRED,
        **_CLUSTER,
    },
    "operators.kueue.KubernetesStartKueueJobOperator": {"queue_name": _REQUIRED, "suspend": None},
    "operators.exec.KubernetesPodExecOperator": {
        "pod_name": _REQUIRED,
        "command": _REQUIRED,
        "namespace": None,
        "container_name": None,
        **_CLUSTER,
        "do_xcom_push": False,
        "max_xcom_output_size": 49_344,
    },
    "operators.resource.KubernetesCreateResourceOperator": _YAML,
    "operators.resource.KubernetesDeleteResourceOperator": _YAML,
    "operators.spark.SparkKubernetesOperator": {
        "image": None,
        "code_path": None,
        "namespace": "default",
        "name": None,
        "application_file": None,
        "template_spec": None,
        "get_logs": True,
        "do_xcom_push": False,
        "success_run_history_limit": 1,
        "startup_timeout_seconds": 600,
        "log_events_on_failure": False,
        "reattach_on_restart": None,
        "delete_on_termination": True,
        "kubernetes_conn_id": "kubernetes_default",
        "random_name_suffix": True,
    },
    "decorators.kubernetes.kubernetes_task": {
        "python_callable": None,
        "multiple_outputs": None,
        "namespace": None,
        "use_dill": False,
        "do_xcom_push": False,
    },
    "decorators.kubernetes_cmd.kubernetes_cmd_task": {"python_callable": None, "args_only": False},
    "hooks.kubernetes.KubernetesHook": {
        "conn_id": None,
        "kubernetes_conn_id": "kubernetes_default",
        "client_configuration": None,
        "cluster_context": None,
        "config_file": None,
        "config_dict": None,
        "in_cluster": None,
        "disable_verify_ssl": None,
        "disable_tcp_keepalive": None,
    },
    "secrets.kubernetes.KubernetesSecretsBackend": {
        "namespace": None,
        "connections_label": "airflow.apache.org/connection-id",
        "variables_label": "airflow.apache.org/variable-key",
        "config_label": "airflow.apache.org/config-key",
        "team_label": "airflow.apache.org/team",
        "connections_data_key": "value",
        "variables_data_key": "value",
        "config_data_key": "value",
    },
}
"""By our path, the standard parameters and their defaults."""

CASES = [(path, name) for path, parameters in STANDARD.items() for name in parameters]
ROWS = {
    (owner, name): verdict
    for owners, name, verdict in re.findall(
        r"^\| (`[^|]+`) \| `(\w+)` \| ([a-z ]+) \|", PAGE, re.MULTILINE
    )
    for owner in re.findall(r"`@?([\w.]+)`", owners)
}
_DECORATORS = {"kubernetes_task": "task.kubernetes", "kubernetes_cmd_task": "task.kubernetes_cmd"}
_OPERATORS = {"kubernetes_task": "FunctionInPod", "kubernetes_cmd_task": "CommandInPod"}

MINIMAL: dict[str, dict[str, Any]] = {
    "KubernetesJobOperator": {"image": "i"},
    "KubernetesDeleteJobOperator": {"name": "n"},
    "KubernetesCreateResourceOperator": {"yaml_conf": "a: b"},
    "KubernetesDeleteResourceOperator": {"yaml_conf": "a: b"},
    "KubernetesStartKueueJobOperator": {"image": "i", "queue_name": "q"},
    "SparkKubernetesOperator": {"application_file": "a.yaml"},
}
"""What each must be given at least."""


def title(path: str) -> str:
    """How the page calls it."""
    name = path.rpartition(".")[2]
    return _DECORATORS.get(name, name)


def found(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"podlift.{module}"), name)


def parameters_of(path: str) -> dict[str, Any]:
    """Our parameters and their defaults, those of base classes included."""
    thing = kind = found(path)
    if operator := _OPERATORS.get(path.rpartition(".")[2]):
        kind = getattr(importlib.import_module(thing.__module__), operator)
    # What is asked first is last, because its defaults win.
    bases = [vars(each)["__init__"] for each in reversed(kind.__mro__) if "__init__" in vars(each)]
    places: list[Callable[..., Any]] = [*bases, thing]
    return {
        name: each.default
        for place in places
        for name, each in inspect.signature(place).parameters.items()
        if each.kind is not inspect.Parameter.VAR_KEYWORD
    }


def test_every_parameter_has_a_row_and_no_other() -> None:
    assert set(ROWS) == {(title(path), name) for path, name in CASES}
    assert set(ROWS.values()) <= {"same", "more", "different", "no effect", "refused"}


@pytest.mark.parametrize(("path", "name"), CASES)
def test_a_row_says_what_is_true(path: str, name: str) -> None:
    ours, standard, owner = parameters_of(path), STANDARD[path][name], title(path)
    value = True if standard in (None, _REQUIRED) else standard
    match ROWS[owner, name]:
        case "same":
            assert ours[name] == standard
        case "more" | "different":
            assert name in ours
        case "no effect":
            operator = found(path)(task_id="t", **MINIMAL[owner] | {name: value})
            assert operator.without_effect == [name]
        case "refused":
            with pytest.raises(ValueError, match=f"^{name} is not "):
                found(path)(task_id="t", **MINIMAL[owner] | {name: value})


def test_what_is_not_provided_is_refused_in_words() -> None:
    with pytest.raises(NotImplementedError, match="Install it once with helm"):
        found("operators.kueue.KubernetesInstallKueueOperator")(task_id="t", kueue_version="1")


@pytest.mark.parametrize("name", ["env_vars", "node_selector", "on_finish_action", "callbacks"])
def test_what_is_said_of_a_pod_is_refused_for_spark(name: str) -> None:
    given: Any = {name: {}}
    with pytest.raises(ValueError, match=f"{name} is not taken. (Say it in the|Write)"):
        found("operators.spark.SparkKubernetesOperator")(
            task_id="t", application_file="a.yaml", **given
        )


def test_the_older_name_of_durable_works_for_spark() -> None:
    make: Any = found("operators.spark.SparkKubernetesOperator")
    assert make(task_id="t", application_file="a.yaml").durable is True
    assert make(task_id="t", application_file="a.yaml", reattach_on_restart=False).durable is False


def test_the_methods_of_the_standard_hook_are_there() -> None:
    standard = """api_client apply_from_yaml_file apps_v1_client batch_v1_client core_v1_client
        create_custom_object create_job custom_object_client delete_custom_object get_conn
        get_custom_object get_deployment_status get_job get_job_status get_namespace
        get_namespaced_pod_list get_pod get_pod_log_stream get_pod_logs
        get_xcom_sidecar_container_image get_xcom_sidecar_container_resources
        get_xcom_sidecar_container_security_context is_in_cluster is_job_complete is_job_failed
        is_job_successful list_jobs_all_namespaces list_jobs_from_namespace patch_namespaced_job
        test_connection wait_until_job_complete
    """
    hook = found("hooks.kubernetes.KubernetesHook")
    assert [name for name in standard.split() if not hasattr(hook, name)] == []


def test_a_custom_objects_parameters_are_documented() -> None:
    documented = set(re.findall(r":param (\w+):", CustomObjectOperator.__doc__ or ""))
    assert documented == set(inspect.signature(CustomObjectOperator.__init__).parameters) - {
        "self",
        "kwargs",
    }
