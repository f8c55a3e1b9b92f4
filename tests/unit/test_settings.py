"""The one list of options: where values come from, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from podlift.settings import (
    INHERITED_SECTION,
    SECTION,
    InvalidSetting,
    Settings,
    load_settings,
    options,
    page,
)


def load(**sections: dict[str, str]) -> Settings:
    return load_settings(lambda section, option: sections.get(section, {}).get(option))


def test_without_anything_set_every_option_has_its_default() -> None:
    assert load() == Settings()


def test_values_get_the_type_of_their_option() -> None:
    settings = load(
        podlift={
            "namespace": "tasks",
            "delete_worker_pods": "False",
            "infrastructure_retries": "5",
            "request_timeout": "2.5",
            "in_cluster": "true",
            "config_file": " ",
            "multi_namespace_mode_namespace_list": "a, b,",
        }
    )
    assert settings == Settings(
        namespace="tasks",
        delete_worker_pods=False,
        infrastructure_retries=5,
        request_timeout=2.5,
        in_cluster=True,
        config_file=None,
        multi_namespace_mode_namespace_list=("a", "b"),
    )


def test_an_existing_deployments_section_is_used_for_what_podlifts_own_does_not_say() -> None:
    inherited = {"namespace": "old", "pod_template_file": "/old.yaml"}
    settings = load(podlift={"namespace": "new"}, kubernetes_executor=inherited)
    assert (settings.namespace, settings.pod_template_file) == ("new", "/old.yaml")


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("infrastructure_retries", "many", "'many', which is not a whole number"),
        ("infrastructure_retries", "-1", "must be 0 or more"),
        ("pod_creation_max_concurrency", "0", "must be 1 or more"),
        ("request_timeout", "nan", "not a number of 0 or more"),
        ("delete_worker_pods", "perhaps", "'perhaps', which is not True or False"),
    ],
)
@pytest.mark.parametrize("section", [SECTION, INHERITED_SECTION])
def test_a_wrong_value_is_named_with_its_place(
    option: str, text: str, words: str, section: str
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        load(**{section: {option: text}})
    assert f"[{section}] {option}" in str(caught.value)
    assert words in str(caught.value)


def test_the_namespaces_to_watch() -> None:
    assert Settings(namespace="a").namespaces == ("a",)
    assert Settings(namespace="a", multi_namespace_mode=True).namespaces is None
    several = Settings(
        namespace="a",
        multi_namespace_mode=True,
        multi_namespace_mode_namespace_list=("b", "a"),
    )
    assert several.namespaces == ("a", "b")


def test_the_page_in_the_documentation_is_the_one_made_from_the_list() -> None:
    written = Path(__file__).parents[2] / "docs" / "settings.md"
    assert written.read_text("utf-8") == page(), (
        "docs/settings.md is out of date: python -m podlift.settings > docs/settings.md"
    )


def test_every_option_is_described_in_a_sentence() -> None:
    for option in options():
        assert option.sentence.endswith("."), option.name
