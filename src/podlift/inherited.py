"""What becomes of a deployment's section ``[kubernetes_executor]`` when it changes to Podlift.

Every option of the standard executor is honoured, replaced by something that makes it needless, or
refused. Nothing that somebody set is passed over in silence: the executor's start says it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from podlift.settings import INHERITED_SECTION, SECTION, InvalidSetting, Lookup, options


class Fate(Enum):
    """What Podlift does with an option."""

    HONOURED = "honoured"
    """It means the same."""
    TRANSLATED = "translated"
    """It sets another option of Podlift's, where that is not set itself."""
    NEEDLESS = "needless"
    """It has no effect, because what it was for happens in any case."""
    REFUSED = "refused"
    """The executor does not start with it, because leaving it out would change what happens."""


@dataclass(frozen=True)
class Inherited:
    """An option of ``[kubernetes_executor]``, and what is said about it."""

    name: str
    fate: Fate
    sentence: str = ""


_HONOURED = (
    "config_file",
    "cluster_context",
    "in_cluster",
    "verify_ssl",
    "ssl_ca_cert",
    "enable_tcp_keepalive",
    "tcp_keep_idle",
    "tcp_keep_intvl",
    "tcp_keep_cnt",
    "namespace",
    "multi_namespace_mode",
    "multi_namespace_mode_namespace_list",
    "pod_template_file",
    "worker_container_repository",
    "worker_container_tag",
    "pod_creation_max_concurrency",
    "worker_pod_pending_fatal_container_state_reasons",
    "delete_worker_pods",
    "delete_worker_pods_on_failure",
    "delete_option_kwargs",
    "running_pod_log_lines",
)
_OTHERS = (
    Inherited(
        "pod_launch_failure_retries",
        Fate.TRANSLATED,
        "It sets infrastructure_retries, which counts pods that are lost while they run as well.",
    ),
    Inherited(
        "kube_client_request_args",
        Fate.TRANSLATED,
        "Its _request_timeout sets request_timeout (of two numbers the sum); anything else in it "
        "has no effect.",
    ),
    Inherited(
        "pod_launch_failure_excluded_container_reasons",
        Fate.NEEDLESS,
        "Each cause of a failure has its own rule: only what the infrastructure did is tried "
        "again. What must fail at once goes into "
        "worker_pod_pending_fatal_container_state_reasons.",
    ),
    Inherited(
        "task_publish_max_retries",
        Fate.NEEDLESS,
        "A pod that the API server puts off is asked for again for as long as its task may be "
        "queued ([scheduler] task_queued_timeout).",
    ),
    Inherited(
        "api_client_retry_configuration",
        Fate.NEEDLESS,
        "Requests are repeated in any case, with growing pauses and as the API server asks.",
    ),
    Inherited(
        "worker_pods_creation_batch_size",
        Fate.NEEDLESS,
        "Pods are created as soon as they are asked for, pod_creation_max_concurrency at once.",
    ),
    Inherited("async_pod_creation", Fate.NEEDLESS, "Pods are always created beside the scheduler."),
    Inherited("logs_task_metadata", Fate.NEEDLESS, "Log lines about a task always name it."),
    Inherited(
        "client_factory",
        Fate.REFUSED,
        "Podlift has a client of its own: describe the access in a kubeconfig (config_file), which "
        "may run a program for credentials (users[].user.exec).",
    ),
    Inherited(
        "async_client_factory",
        Fate.REFUSED,
        "Podlift has a client of its own: describe the access in a kubeconfig (config_file), which "
        "may run a program for credentials (users[].user.exec).",
    ),
)

OPTIONS: tuple[Inherited, ...] = (
    *(Inherited(name, Fate.HONOURED) for name in _HONOURED),
    *_OTHERS,
)
"""Every option that the standard executor has."""

Named = Callable[[str], Iterable[str]]
"""``(section) -> options``: the names that somebody set there."""


def refuse(lookup: Lookup) -> None:
    """Raise ``InvalidSetting`` for an option without which another thing would happen."""
    for option in OPTIONS:
        if option.fate is Fate.REFUSED and lookup(INHERITED_SECTION, option.name):
            raise InvalidSetting(
                f"[{INHERITED_SECTION}] {option.name} is set, which Podlift cannot honour. "
                f"{option.sentence} Then remove the option."
            )


def remarks(named: Named) -> Iterator[str]:
    """What to tell about the options that are set, a sentence or two each."""
    own = {option.name for option in options()}
    known = {option.name: option for option in OPTIONS}
    inherited = set(named(INHERITED_SECTION))
    if taken := sorted(inherited & own - set(named(SECTION))):
        yield f"Taken over from [{INHERITED_SECTION}]: {', '.join(taken)}."
    for name in sorted(inherited - own):
        if name not in known:
            yield f"[{INHERITED_SECTION}] {name} has no effect: Podlift does not know it."
        elif known[name].fate is Fate.TRANSLATED:
            yield f"[{INHERITED_SECTION}] {name} is translated. {known[name].sentence}"
        elif known[name].fate is Fate.NEEDLESS:
            yield f"[{INHERITED_SECTION}] {name} has no effect. {known[name].sentence}"
    for name in sorted(set(named(SECTION)) - own):
        yield f"[{SECTION}] {name} has no effect: there is no such option."


def table() -> str:
    """All options with what becomes of them, as Markdown; part of ``docs/migration.md``."""
    lines = ["| Option | | |", "|---|---|---|"]
    lines += [f"| `{each.name}` | {each.fate.value} | {each.sentence} |" for each in OPTIONS]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
