"""Nothing that an existing deployment has set is passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from podlift.inherited import OPTIONS, Fate, refuse, remarks, table
from podlift.settings import DeleteOptions, InvalidSetting, Settings, load_settings, options

STANDARD = """
    api_client_retry_configuration logs_task_metadata running_pod_log_lines pod_template_file
    worker_container_repository worker_container_tag namespace delete_worker_pods
    delete_worker_pods_on_failure worker_pod_pending_fatal_container_state_reasons
    worker_pods_creation_batch_size async_pod_creation pod_creation_max_concurrency
    multi_namespace_mode multi_namespace_mode_namespace_list in_cluster cluster_context config_file
    client_factory async_client_factory kube_client_request_args delete_option_kwargs
    enable_tcp_keepalive tcp_keep_idle tcp_keep_intvl tcp_keep_cnt verify_ssl ssl_ca_cert
    task_publish_max_retries pod_launch_failure_retries
    pod_launch_failure_excluded_container_reasons
"""
"""The options of the standard executor, version 10.25 of its provider package."""


def load(**inherited: str) -> Settings:
    sections = {"kubernetes_executor": inherited}
    return load_settings(lambda section, option: sections.get(section, {}).get(option))


def told(*inherited: str, own: tuple[str, ...] = ()) -> list[str]:
    named = {"kubernetes_executor": inherited, "podlift": own}
    return list(remarks(lambda section: named[section]))


def test_every_option_of_the_standard_executor_is_accounted_for() -> None:
    assert sorted(each.name for each in OPTIONS) == sorted(STANDARD.split())


def test_what_is_honoured_is_an_option_of_podlifts_and_the_rest_is_not() -> None:
    own = {option.name for option in options()}
    assert {each.name for each in OPTIONS if each.fate is Fate.HONOURED} <= own
    assert not {each.name for each in OPTIONS if each.fate is not Fate.HONOURED} & own


def test_what_is_translated_is_read_by_an_option_of_podlifts() -> None:
    read = {option.replaces.name for option in options() if option.replaces}
    assert read == {each.name for each in OPTIONS if each.fate is Fate.TRANSLATED}


def test_the_page_on_migration_holds_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "migration.md"
    assert table() in page.read_text()


def test_what_has_no_effect_is_said_in_a_sentence_each() -> None:
    first, second = told("namespace", "worker_pods_creation_batch_size")
    assert first == "Taken over from [kubernetes_executor]: namespace."
    assert "worker_pods_creation_batch_size has no effect. Pods are created" in second


def test_a_name_that_nobody_knows_is_said_too() -> None:
    assert told("worker_pods_queue", own=("namespase",)) == [
        "[kubernetes_executor] worker_pods_queue has no effect: Podlift does not know it.",
        "[podlift] namespase has no effect: there is no such option.",
    ]


def test_nothing_set_is_nothing_said() -> None:
    assert told() == []
    assert told("namespace", own=("namespace",)) == []


@pytest.mark.parametrize("name", ["client_factory", "async_client_factory"])
def test_what_would_change_the_access_to_the_cluster_is_refused(name: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"\[kubernetes_executor\] {name} .*kubeconfig"):
        refuse(lambda section, option: "my.factory" if option == name else None)
    refuse(lambda section, option: None)
    refuse(lambda section, option: "")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ('{"_request_timeout": [10, 50]}', 60.0),
        ('{"_request_timeout": 7}', 7.0),
        ("{}", 30.0),
        ("", 30.0),
    ],
)
def test_the_standard_clients_timeout(text: str, seconds: float) -> None:
    assert load(kube_client_request_args=text).request_timeout == seconds


def test_podlifts_own_option_is_stronger_than_a_translated_one() -> None:
    sections = {
        "podlift": {"infrastructure_retries": "1"},
        "kubernetes_executor": {"pod_launch_failure_retries": "5"},
    }
    both = load_settings(lambda section, option: sections[section].get(option))
    assert both.infrastructure_retries == 1
    assert load(pod_launch_failure_retries="5").infrastructure_retries == 5


def test_how_pods_are_deleted() -> None:
    text = '{"grace_period_seconds": 5, "propagation_policy": "Foreground"}'
    assert load(delete_option_kwargs=text).delete_option_kwargs == DeleteOptions(5, "Foreground")
    assert load(delete_option_kwargs="").delete_option_kwargs == DeleteOptions()


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("delete_option_kwargs", '{"orphan_dependents": true}'),
        ("delete_option_kwargs", '{"grace_period_seconds": "5"}'),
        ("delete_option_kwargs", '{"propagation_policy": "Sometimes"}'),
        ("delete_option_kwargs", "now"),
        ("kube_client_request_args", '{"_request_timeout": "soon"}'),
        ("kube_client_request_args", '{"_request_timeout": 0.5}'),
        ("pod_launch_failure_retries", "-1"),
    ],
)
def test_a_value_that_cannot_be_taken_over_is_named(option: str, text: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"\[kubernetes_executor\] {option} is "):
        load(**{option: text})
