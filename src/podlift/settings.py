"""The one list of Podlift's options: name, type, default and a sentence each.

They live in section ``[podlift]`` of Airflow's configuration. An option that nobody set there is
looked up under the same name in ``[kubernetes_executor]``, so that an existing deployment switches
by changing one line. The provider's metadata and ``docs/settings.md`` are made from this list
(``python -m podlift.settings > docs/settings.md``).
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, TypeVar

from podlift.pods.quantities import bytes_of

SECTION = "podlift"
INHERITED_SECTION = "kubernetes_executor"

T = TypeVar("T")

Lookup: TypeAlias = Callable[[str, str], str | None]
"""``(section, option) -> text``: what somebody set, None where nobody did."""


class Bytes(int):
    """A number of bytes, written as a Kubernetes quantity."""


class InvalidSetting(ValueError):
    """An option's text is not a value of its type. The message says which, and what is allowed."""


@dataclass(frozen=True)
class DeleteOptions:
    """What is asked of the API server when a pod is deleted, beside its name."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None

    @classmethod
    def parse(cls, text: str) -> DeleteOptions:
        """Read them from JSON. Raises ``ValueError``."""
        given = json.loads(text or "{}")
        if not isinstance(given, dict) or given.keys() - {each.name for each in fields(cls)}:
            raise ValueError(text)
        found = cls(**given)
        grace, policy = found.grace_period_seconds, found.propagation_policy
        if grace is not None and (type(grace) is not int or grace < 0):
            raise ValueError(text)
        if policy not in (None, "Foreground", "Background", "Orphan"):
            raise ValueError(text)
        return found


@dataclass(frozen=True)
class Replaced:
    """An option of ``[kubernetes_executor]`` that says the same in another way."""

    name: str
    parse: Callable[[str], Any]
    """What it means for ours; None where it says nothing about it. Raises ``ValueError``."""


def _timeout_of(text: str) -> float | None:
    """The ``_request_timeout`` of ``kube_client_request_args``: seconds, or to connect and read."""
    given = json.loads(text or "{}")
    timeout = given.get("_request_timeout") if isinstance(given, dict) else given
    return None if timeout is None else _number(str(sum(timeout) if _is_pair(timeout) else timeout))


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _option(
    default: T, sentence: str, *, least: float | None = None, replaces: Replaced | None = None
) -> T:
    metadata = {"sentence": sentence, "least": least, "replaces": replaces}
    field: Any = dataclasses.field(default=default, metadata=metadata)
    return typing.cast("T", field)


@dataclass(frozen=True)
class Settings:
    """Every option with its value. ``load_settings`` fills it from a configuration."""

    namespace: str = _option(
        "default",
        "Namespace in which task pods are created, unless a pod's template names another.",
    )
    multi_namespace_mode: bool = _option(
        False,
        "Whether templates and overrides may put pods into other namespaces, which are then "
        "watched as well.",
    )
    multi_namespace_mode_namespace_list: tuple[str, ...] = _option(
        (),
        "The other namespaces, separated by commas; empty means every namespace of the cluster, "
        "which needs a ClusterRole.",
    )
    in_cluster: bool | None = _option(
        None,
        "Whether to use the service account of the pod that the scheduler runs in; unset means: "
        "if there is one, otherwise the kubeconfig.",
    )
    config_file: str | None = _option(
        None, "Path of a kubeconfig; unset means KUBECONFIG or ~/.kube/config."
    )
    cluster_context: str | None = _option(
        None, "Context of the kubeconfig; unset means its current one."
    )
    request_timeout: float = _option(
        30.0,
        "Seconds after which an unanswered request to the API server is repeated.",
        least=1,
        replaces=Replaced("kube_client_request_args", _timeout_of),
    )
    verify_ssl: bool = _option(
        True, "Whether the API server's certificate is checked. False trusts anybody on the way."
    )
    ssl_ca_cert: str | None = _option(
        None,
        "PEM file with the authority that vouches for the API server; unset means the one of the "
        "kubeconfig or of the service account.",
    )
    enable_tcp_keepalive: bool = _option(
        True,
        "Whether idle connections to the API server are probed, so that a lost one is noticed.",
    )
    tcp_keep_idle: int = _option(30, "Seconds of silence before the first probe.", least=1)
    tcp_keep_intvl: int = _option(5, "Seconds between probes.", least=1)
    tcp_keep_cnt: int = _option(
        3, "Probes without an answer after which a connection counts as lost.", least=1
    )
    pod_template_file: str | None = _option(
        None,
        "YAML file with the pod that every task's pod is made from; unset means a plain pod with "
        "the image below. It is read again when it changes.",
    )
    worker_container_repository: str = _option(
        "", "Image of the task's container; empty means the template's, or apache/airflow."
    )
    worker_container_tag: str = _option(
        "", "Tag of that image; empty means the version of Airflow that the scheduler runs."
    )
    execution_api_server_url: str | None = _option(
        None,
        "URL at which task pods reach Airflow's execution API; unset means the one from "
        "Airflow's own configuration.",
    )
    seal_secret_name: str = _option(
        "podlift-seal",
        "Kubernetes Secret with the key that seals a task's workload in its pod's specification; "
        "it is created, with a fresh key, where it does not exist.",
    )
    pod_creation_max_concurrency: int = _option(
        32, "How many pods may be in creation at the same time.", least=1
    )
    infrastructure_retries: int = _option(
        3,
        "How often another pod is started for a task whose pod the infrastructure took away, "
        "before it began or while it ran (evicted, node lost, deleted …). The task's own retries "
        "are not touched.",
        least=0,
        replaces=Replaced("pod_launch_failure_retries", int),
    )
    pending_failure_timeout: float = _option(
        120.0,
        "Seconds after which a pod that cannot start by itself any more (no such image, wrong "
        "configuration) fails its task.",
        least=0,
    )
    worker_pod_pending_fatal_container_state_reasons: tuple[str, ...] = _option(
        (),
        "Reasons of a waiting container, separated by commas, for which its task fails at once "
        "instead of after that time, for example ErrImagePull,CreateContainerConfigError.",
    )
    pending_timeout: float = _option(
        0.0,
        "Seconds that a task may wait for its pod to be created and to start, whatever "
        "[scheduler] task_queued_timeout is; then it fails with the reason. 0 leaves it to "
        "task_queued_timeout.",
        least=0,
    )
    out_of_memory_factor: float = _option(
        1.0,
        "By how much the memory of the base container grows (request and limit) when its task "
        "ran out of it and is started again for that, infrastructure_retries times at most; 1 "
        "means that it fails.",
        least=1,
    )
    out_of_memory_ceiling: Bytes | None = _option(  # noqa: RUF009
        None, "Memory that such a container gets at most, for example 16Gi; unset means no limit."
    )
    delete_worker_pods: bool = _option(True, "Whether pods are deleted once they have ended.")
    delete_worker_pods_on_failure: bool = _option(
        True,
        "Whether that goes for failed pods too; their log and the cause are kept in either case.",
    )
    failed_pod_retention: float = _option(
        0.0,
        "Seconds for which pods of failed tasks are kept after their end, then removed; 0 means "
        "that they are deleted at once, or kept for ever where delete_worker_pods_on_failure is "
        "False.",
        least=0,
    )
    delete_option_kwargs: DeleteOptions = _option(  # noqa: RUF009
        DeleteOptions(),
        "How pods are deleted, as JSON with grace_period_seconds (a whole number) and "
        "propagation_policy (Foreground, Background or Orphan); unset leaves both to the pod and "
        "the API server.",
    )
    running_pod_log_lines: int = _option(
        1000,
        "How many of the last lines the UI shows of a running pod's log, where that is longer than "
        "running_pod_log_bytes.",
        least=1,
    )
    running_pod_log_bytes: int = _option(
        10 * 1024 * 1024,
        "How many bytes of a running pod's log the UI shows from its beginning on; it asks for all "
        "of them every few seconds.",
        least=0,
    )
    kept_log_limit: int = _option(
        100 * 1024 * 1024,
        "Bytes that are kept of one pod's log, at most: of a longer one the first and the last "
        "half of that, with a mark between them.",
        least=1024,
    )
    shutdown_timeout: float = _option(
        10.0, "Seconds a stopping scheduler gives to requests that are under way.", least=0
    )

    @property
    def namespaces(self) -> tuple[str, ...] | None:
        """The namespaces to watch; None stands for all of the cluster's."""
        if not self.multi_namespace_mode:
            return (self.namespace,)
        others = self.multi_namespace_mode_namespace_list
        return tuple(dict.fromkeys((self.namespace, *others))) if others else None


@dataclass(frozen=True)
class Option:
    """One option as documentation and provider metadata need it."""

    name: str
    kind: str
    default: Any
    sentence: str
    least: float | None
    optional: bool
    replaces: Replaced | None

    @property
    def default_text(self) -> str:
        """The default as one writes it in a configuration file; empty for none."""
        if self.default is None or isinstance(self.default, DeleteOptions):
            return ""
        return ",".join(self.default) if isinstance(self.default, tuple) else str(self.default)


_KINDS = {
    bool: "boolean",
    int: "integer",
    float: "float",
    str: "string",
    Bytes: "quantity",
    DeleteOptions: "JSON",
}


def options() -> Iterator[Option]:
    """All options, in the order in which they are documented."""
    hints = typing.get_type_hints(Settings)
    for field in dataclasses.fields(Settings):
        hint = hints[field.name]
        choices = typing.get_args(hint)
        if typing.get_origin(hint) is tuple:
            kind = "list"
        else:
            kind = _KINDS[next(each for each in choices or (hint,) if each is not type(None))]
        yield Option(
            name=field.name,
            kind=kind,
            default=field.default,
            sentence=field.metadata["sentence"],
            least=field.metadata["least"],
            optional=type(None) in choices,
            replaces=field.metadata["replaces"],
        )


def load_settings(lookup: Lookup) -> Settings:
    """Read every option. Raises ``InvalidSetting`` for the first text that is not a value."""
    return Settings(**{option.name: _value(option, lookup) for option in options()})


def _value(option: Option, lookup: Lookup) -> Any:
    for section in (SECTION, INHERITED_SECTION):
        text = lookup(section, option.name)
        if text is not None:
            return _parse(option, section, text.strip())
    if option.replaces is not None:
        text = lookup(INHERITED_SECTION, option.replaces.name)
        if text is not None and (value := _translate(option, option.replaces, text)) is not None:
            return value
    return option.default


def _parse(option: Option, section: str, text: str) -> Any:
    if not text and option.optional:
        return None
    place = f"[{section}] {option.name}"
    try:
        value = _PARSERS[option.kind](text)
    except (ValueError, TypeError) as error:
        raise InvalidSetting(
            f"{place} is {text!r}, which is not {_ALLOWED[option.kind]}."
        ) from error
    return _checked(option, place, text, value)


def _translate(option: Option, replaced: Replaced, text: str) -> Any:
    place = f"[{INHERITED_SECTION}] {replaced.name}"
    try:
        value = replaced.parse(text.strip())
    except (ValueError, TypeError) as error:
        raise InvalidSetting(
            f"{place} is {text!r}, from which {option.name} cannot be taken: set that in "
            f"[{SECTION}] instead."
        ) from error
    return None if value is None else _checked(option, place, text, value)


def _checked(option: Option, place: str, text: str, value: Any) -> Any:
    if option.least is not None and value < option.least:
        raise InvalidSetting(f"{place} is {text}, but must be {option.least:g} or more.")
    return value


_TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def _boolean(text: str) -> bool:
    try:
        return _TRUTHS[text.lower()]
    except KeyError as error:
        raise ValueError(text) from error


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


_PARSERS: dict[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "integer": int,
    "float": _number,
    "string": str,
    "quantity": lambda text: Bytes(bytes_of(text)),
    "JSON": DeleteOptions.parse,
    "list": lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
}
_ALLOWED = {
    "boolean": "True or False",
    "integer": "a whole number",
    "float": "a number of 0 or more",
    "quantity": "a Kubernetes quantity such as 512Mi or 2G",
    "JSON": "JSON with grace_period_seconds and propagation_policy",
}


def page() -> str:
    """The documentation of all options as Markdown: ``docs/settings.md``."""
    lines = [
        "# Settings",
        "",
        f"Options of section `[{SECTION}]` in Airflow's configuration, or environment variables "
        f"`AIRFLOW__{SECTION.upper()}__<OPTION>`. An option that is not set there is looked up "
        f"under the same name in `[{INHERITED_SECTION}]`.",
        "",
        "This page is made from `src/podlift/settings.py`: "
        "`python -m podlift.settings > docs/settings.md`.",
        "",
        "| Option | Type | Default | What it does |",
        "|---|---|---|---|",
    ]
    for option in options():
        default = f"`{option.default_text}`" if option.default_text else "unset"
        lines.append(f"| `{option.name}` | {option.kind} | {default} | {option.sentence} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
