"""``KubernetesSecretsBackend``: connections, variables and configuration in Kubernetes Secrets.

.. code-block:: ini

    [secrets]
    backend = podlift.secrets.kubernetes.KubernetesSecretsBackend
    backend_kwargs = {"namespace": "airflow"}

Airflow makes the backend while it is being imported, so nothing here may be slow, fail or ask a
cluster before the first look-up.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.secrets import BaseSecretsBackend

if TYPE_CHECKING:
    from podlift.secrets.asking import SecretsOfNamespace

CONNECTIONS_LABEL = "airflow.apache.org/connection-id"
VARIABLES_LABEL = "airflow.apache.org/variable-key"
CONFIG_LABEL = "airflow.apache.org/config-key"
TEAM_LABEL = "airflow.apache.org/team"

_OF_A_TEAM = re.compile(r"_[^_]+___.+")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class _Kind:
    """Where one kind of thing is looked for; ``label`` is None where it is not."""

    word: str
    label: str | None
    prefix: str | None
    data_key: str


class KubernetesSecretsBackend(BaseSecretsBackend):
    """Finds a Secret by its label, or by its name, and gives the text that it holds.

    A Secret with the label ``airflow.apache.org/connection-id: my_db`` is the connection ``my_db``,
    whatever its own name: a URI, or JSON. What no label can say (a label has 63 characters at the
    most) is found by name, where a prefix is set: with ``connections_prefix="airflow-connection-"``
    a Secret ``airflow-connection-my-db`` is the connection ``my_db``, when no label names it.

    What was found is remembered for ``cache_seconds``, and so is that there is nothing: Airflow
    asks for the same variables again and again. A cluster that cannot be asked is an error, which
    Airflow logs before it looks in its next place.

    :param namespace: where the Secrets are; default is the pod's own, or the kubeconfig context's.
    :param connections_label: label that names a connection; None to have none here.
    :param variables_label: likewise for variables.
    :param config_label: likewise for options of Airflow's configuration that end in ``_secret``.
    :param team_label: label that says which team a Secret belongs to.
    :param connections_prefix: what names of Secrets begin with that hold connections.
    :param variables_prefix: likewise for variables.
    :param config_prefix: likewise for configuration.
    :param connections_data_key: the key of the Secret's data that holds the text.
    :param variables_data_key: likewise for variables.
    :param config_data_key: likewise for configuration.
    :param cache_seconds: for how long an answer is remembered; 0 for not at all.
    :param timeout: seconds for which the API server is waited for.
    :param config_file: a kubeconfig, where Airflow does not run in the cluster.
    :param context: its context.
    """

    def __init__(
        self,
        namespace: str | None = None,
        connections_label: str | None = CONNECTIONS_LABEL,
        variables_label: str | None = VARIABLES_LABEL,
        config_label: str | None = CONFIG_LABEL,
        team_label: str | None = TEAM_LABEL,
        connections_data_key: str = "value",
        variables_data_key: str = "value",
        config_data_key: str = "value",
        *,
        connections_prefix: str | None = None,
        variables_prefix: str | None = None,
        config_prefix: str | None = None,
        cache_seconds: float = 30.0,
        timeout: float = 10.0,
        config_file: str | None = None,
        context: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._connections = _Kind(
            "connection", connections_label, connections_prefix, connections_data_key
        )
        self._variables = _Kind("variable", variables_label, variables_prefix, variables_data_key)
        self._config = _Kind("config", config_label, config_prefix, config_data_key)
        self._team_label = team_label
        self._cache = _Cache(cache_seconds)
        self._access = {"namespace": namespace, "config_file": config_file, "context": context}
        self._timeout = timeout
        self._secrets: SecretsOfNamespace | None = None

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> str | None:
        """A connection as URI or JSON; None if no Secret has it. Raises ``SecretsNotRead``."""
        return self._get(self._connections, conn_id, team_name)

    def get_variable(self, key: str, team_name: str | None = None) -> str | None:
        """A variable's value; None if no Secret has it. Raises ``SecretsNotRead``."""
        return self._get(self._variables, key, team_name)

    def get_config(self, key: str) -> str | None:
        """The value that an option names by ``…_secret``. Raises ``SecretsNotRead``."""
        return self._get(self._config, key, None)

    def _get(self, kind: _Kind, key: str, team: str | None) -> str | None:
        if team is None and kind is not self._config and _OF_A_TEAM.fullmatch(key):
            return None  # by its name a team's own, but nobody of that team asks
        return self._cache.get((kind.word, key, team), lambda: self._look(kind, key, team))

    def _look(self, kind: _Kind, key: str, team: str | None) -> str | None:
        found = None
        if kind.label and _LABEL_VALUE.fullmatch(key):
            wanted = f"{kind.label}={key}"
            if team and self._team_label:
                found = self._ask().by_labels(f"{wanted},{self._team_label}={team}")
            if found is None:
                everybodys = f",!{self._team_label}" if self._team_label else ""
                found = self._ask().by_labels(wanted + everybodys)
        if found is None and kind.prefix is not None:
            found = self._ask().by_name(kind.prefix + _as_name(key))
        return None if found is None else found.text(kind.data_key)

    def _ask(self) -> SecretsOfNamespace:
        if self._secrets is None:
            from podlift.secrets.asking import SecretsOfNamespace

            self._secrets = SecretsOfNamespace(timeout=self._timeout, **self._access)
        return self._secrets


def _as_name(key: str) -> str:
    """A key as a part of an object's name, which has neither capitals nor underscores."""
    return re.sub(r"[^a-z0-9.-]", "-", key.lower())


class _Cache:
    """Remembers answers for some seconds, for all threads of the process."""

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, most: int = 10_000
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._answers: dict[tuple[Any, ...], tuple[float, str | None]] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[Any, ...], ask: Callable[[], str | None]) -> str | None:
        """The answer, asked for unless it is remembered. What ``ask`` raises is not remembered."""
        now = self._clock()
        with self._lock:
            until, answer = self._answers.get(key, (0.0, None))
        if now < until:
            return answer
        answer = ask()
        if self._seconds > 0:
            with self._lock:
                if len(self._answers) >= self._most:
                    self._answers.clear()
                self._answers[key] = (now + self._seconds, answer)
        return answer
