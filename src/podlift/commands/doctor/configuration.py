"""The options: what has no effect, or another one than it seems."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from podlift.commands.doctor.checks import Check, doubtful, good
from podlift.compat import configured_names
from podlift.inherited import remarks
from podlift.settings import Settings

WHAT = "settings"
_HERE = ("localhost", "127.0.0.1", "::1")


def check_settings(settings: Settings, team: str | None) -> Iterator[Check]:
    """What is to be said about the options that somebody set."""
    set_here = frozenset(configured_names("podlift", team))
    said = [*remarks(lambda section: configured_names(section, team)), *idle(settings, set_here)]
    yield from (doubtful(WHAT, sentence) for sentence in said)
    if not said:
        yield good(WHAT, f"{len(set_here)} options are set, and all have an effect.")


def idle(settings: Settings, set_here: frozenset[str]) -> Iterator[str]:
    """Options that are set and have no effect beside the others."""
    if settings.multi_namespace_mode_namespace_list and not settings.multi_namespace_mode:
        yield "multi_namespace_mode_namespace_list has no effect without multi_namespace_mode."
    if settings.in_cluster and (settings.config_file or settings.cluster_context):
        yield "config_file and cluster_context have no effect with in_cluster."
    if "worker_container_tag" in set_here and not settings.worker_container_repository:
        yield (
            "worker_container_tag has no effect where the pod template names an image; set "
            "worker_container_repository as well."
        )
    if "out_of_memory_ceiling" in set_here and settings.out_of_memory_factor <= 1:
        yield "out_of_memory_ceiling has no effect with an out_of_memory_factor of 1."
    if settings.failed_pod_retention and not settings.delete_worker_pods:
        yield "failed_pod_retention removes failed pods, although delete_worker_pods is False."


def judge_api_url(url: str) -> Check:
    """Whether pods can be meant by this URL of the execution API."""
    if urlsplit(url).hostname in _HERE:
        return doubtful(
            "execution API",
            f"Pods are told to find Airflow at {url}, which in a pod is the pod itself.",
            "Set execution_api_server_url to the API server's address as pods see it, ending in "
            "/execution/ (it is right if pods use the host's network).",
        )
    return good("execution API", f"Pods are told to find Airflow at {url}.")
