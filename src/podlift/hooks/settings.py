"""What an Airflow connection of type ``kubernetes`` says.

Pure: from the connection's extra fields and a hook's arguments to one frozen ``Settings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk.exceptions import AirflowException

_PREFIX = "extra__kubernetes__"
_SIDECAR = "xcom_sidecar_container_"
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off", ""})


class InvalidConnection(AirflowException):
    """The Airflow connection, or what a hook was told beside it, leads to no cluster."""


@dataclass(frozen=True)
class Settings:
    """How to reach a cluster, and what to do there where nobody says anything else."""

    in_cluster: bool | None = None
    config_file: str | None = None
    config: Mapping[str, Any] | None = field(default=None, repr=False)  # may hold a token
    context: str | None = None
    namespace: str | None = None
    verify_ssl: bool = True
    keepalive: bool = True
    sidecar: Mapping[str, Any] = field(default_factory=dict)
    """Image, resources and security context of the container that hands results over."""


def settings_of(
    extra: Mapping[str, Any],
    *,
    in_cluster: bool | None = None,
    config_file: str | None = None,
    config_dict: Mapping[str, Any] | None = None,
    cluster_context: str | None = None,
    disable_verify_ssl: bool | None = None,
    disable_tcp_keepalive: bool | None = None,
) -> Settings:
    """Lay arguments over the extra fields of a connection.

    One argument that says where the cluster is (``in_cluster``, ``config_file``, ``config_dict``)
    replaces all that the connection says of it. Raises ``InvalidConnection`` in a sentence.
    """
    given = {name.removeprefix(_PREFIX): value for name, value in extra.items()}
    where = _where(in_cluster, config_file, config_dict, "of the hook's arguments")
    if where is None:
        where = _where(
            _truth(given, "in_cluster"),
            given.get("kube_config_path") or None,
            _mapping(given, "kube_config"),
            "of the connection's fields",
        ) or (None, None, None)
    if disable_verify_ssl is None:
        disable_verify_ssl = _truth(given, "disable_verify_ssl")
    if disable_tcp_keepalive is None:
        disable_tcp_keepalive = _truth(given, "disable_tcp_keepalive")
    return Settings(
        *where,
        context=cluster_context or given.get("cluster_context") or None,
        namespace=given.get("namespace") or None,
        verify_ssl=not disable_verify_ssl,
        keepalive=not disable_tcp_keepalive,
        sidecar=_sidecar(given),
    )


_Where = tuple[bool | None, str | None, Mapping[str, Any] | None]


def _where(
    in_cluster: bool | None, file: str | None, config: Mapping[str, Any] | None, whose: str
) -> _Where | None:
    """The one place that is named; None where none is."""
    if sum(map(bool, (in_cluster, file, config))) > 1:
        raise InvalidConnection(
            f"More than one {whose} says where the cluster is: give one of in_cluster, the path of "
            "a kubeconfig, and a kubeconfig itself."
        )
    return None if in_cluster is None and not (file or config) else (in_cluster, file, config)


def _truth(given: Mapping[str, Any], name: str) -> bool | None:
    """A yes or no, which in a connection's URI is text. A form's empty box says nothing."""
    value = given.get(name)
    if value is None or isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise InvalidConnection(f"The connection's field {name} is {value!r}, not true or false.")
    return None if not text else text in _TRUE


def _sidecar(given: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "image": given.get(f"{_SIDECAR}image"),
        "resources": _mapping(given, f"{_SIDECAR}resources"),
        "security_context": _mapping(given, f"{_SIDECAR}security_context"),
    }
    return {name: value for name, value in found.items() if value}


def _mapping(given: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """A mapping, or the JSON or YAML text of one."""
    value = given.get(name)
    if not value:
        return None
    if isinstance(value, str):
        import yaml

        try:
            value = yaml.safe_load(value)  # JSON is YAML
        except yaml.YAMLError:
            # Its message would quote the text, which may hold a token.
            raise InvalidConnection(
                f"The connection's field {name} is neither JSON nor YAML."
            ) from None
    if not isinstance(value, Mapping):
        raise InvalidConnection(f"The connection's field {name} does not hold a mapping.")
    return value
