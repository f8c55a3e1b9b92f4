"""The page for those who come from the standard operator says what is true, of all parameters."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from podlift.operators import KubernetesPodOperator
from podlift.operators.parameters import PodParameters

PAGE = Path(__file__).parents[3].joinpath("docs/coming-from-the-standard-operator.md").read_text()

STANDARD: dict[str, Any] = {
    "active_deadline_seconds": None,
    "affinity": None,
    "annotations": None,
    "arguments": None,
    "automount_service_account_token": None,
    "base_container_name": None,
    "base_container_status_polling_interval": 1,
    "callbacks": None,
    "cluster_context": None,
    "cmds": None,
    "config_file": None,
    "configmaps": None,
    "container_logs": None,
    "container_name_log_prefix_enabled": True,
    "container_resources": None,
    "container_security_context": None,
    "deferrable": None,  # by [operators] default_deferrable
    "dns_config": None,
    "dnspolicy": None,
    "do_xcom_push": False,
    "durable": None,
    "env_from": None,
    "env_vars": None,
    "full_pod_spec": None,
    "get_logs": True,
    "host_aliases": None,
    "hostname": None,
    "hostnetwork": False,
    "image": None,
    "image_pull_policy": None,
    "image_pull_secrets": None,
    "in_cluster": None,
    "init_container_logs": None,
    "init_containers": None,
    "is_delete_operator_pod": None,
    "kubernetes_conn_id": "kubernetes_default",
    "labels": None,
    "log_events_on_failure": False,
    "log_events_on_startup": True,
    "log_formatter": None,
    "log_pod_spec_on_failure": True,
    "logging_interval": None,
    "name": None,
    "namespace": None,
    "node_selector": None,
    "on_finish_action": "delete_pod",
    "on_kill_action": "delete_pod",
    "pod_runtime_info_envs": None,
    "pod_template_dict": None,
    "pod_template_file": None,
    "poll_interval": 2,
    "ports": None,
    "priority_class_name": None,
    "progress_callback": None,
    "random_name_suffix": True,
    "reattach_on_restart": None,
    "runtime_class_name": None,
    "schedule_timeout_seconds": None,
    "schedulername": None,
    "secrets": None,
    "security_context": None,
    "service_account_name": None,
    "skip_on_exit_code": None,
    "startup_check_interval_seconds": 5,
    "startup_timeout_seconds": 120,
    "subdomain": None,
    "termination_grace_period": None,
    "termination_message_policy": "File",
    "tolerations": None,
    "trigger_kwargs": None,
    "volume_mounts": None,
    "volumes": None,
    "xcom_sidecar_container_security_context": None,
}
"""Parameters of the standard operator and their defaults."""

ROWS = dict(re.findall(r"^\| `(\w+)` \| ([a-z ]+) \|", PAGE, re.MULTILINE))
OURS = {
    name: each.default
    for name, each in inspect.signature(PodParameters.__init__).parameters.items()
    if each.kind is inspect.Parameter.KEYWORD_ONLY
}


def test_every_parameter_has_a_row_and_no_other() -> None:
    assert set(ROWS) == set(STANDARD)
    assert set(ROWS.values()) == {"same", "more", "different", "no effect", "refused"}


def test_every_parameter_exists_and_those_of_our_own_are_named() -> None:
    assert set(STANDARD) <= set(OURS)
    new = PAGE.partition("\nNew: ")[2].partition("\n")[0]
    assert set(re.findall(r"`(\w+)`", new)) == set(OURS) - set(STANDARD)


@pytest.mark.parametrize("name", sorted(STANDARD))
def test_a_row_says_what_is_true(name: str) -> None:
    documented = f":param {name}:" in (PodParameters.__doc__ or "")
    given: Any = {name: STANDARD[name] if STANDARD[name] is not None else True}
    match ROWS[name]:
        case "same" | "more":
            assert OURS[name] == STANDARD[name]
            assert documented
        case "different":
            assert documented
        case "no effect":
            operator = KubernetesPodOperator(task_id="t", image="i", **given)
            assert operator.without_effect == [name]
        case "refused":
            with pytest.raises(ValueError, match=f"{name} was replaced by"):
                KubernetesPodOperator(task_id="t", image="i", **given)


def test_the_imports_that_the_page_names_work() -> None:
    table = PAGE.partition("| Import from the standard provider")[2].partition("\n\n")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines()[2:]]
    assert len(rows) > 8
    for standard, ours in rows:
        paths = re.findall(r"`podlift\.([\w.]+)`", ours)
        classes = re.findall(r"\b([A-Z]\w+)", f"{standard} {ours.partition(';')[0]}")
        for path in paths:
            module, _, last = path.rpartition(".")
            named = [last] if last[:1].isupper() else classes
            home = importlib.import_module(f"podlift.{module if last[:1].isupper() else path}")
            assert [name for name in named if not hasattr(home, name)] == []
