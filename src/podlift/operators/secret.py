"""A Kubernetes Secret for the base container of ``KubernetesPodOperator``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Secret:
    """Hand a Kubernetes Secret to the container, as variables or as files.

    - ``Secret("env", "PASSWORD", "database", "password")``: one variable from one key.
    - ``Secret("env", None, "database")``: a variable for every key.
    - ``Secret("volume", "/etc/database", "database")``: a file for every key; ``items`` picks keys,
      each ``{"key": …, "path": …}``.

    Raises ``ValueError`` for a combination that makes no sense.
    """

    deploy_type: Literal["env", "volume"]
    deploy_target: str | None
    secret: str
    key: str | None = None
    items: Sequence[object] = ()

    def __post_init__(self) -> None:
        if self.deploy_type not in ("env", "volume"):
            raise ValueError(f"deploy_type is {self.deploy_type!r}, but must be env or volume.")
        if self.deploy_target is None and (self.key is not None or self.deploy_type == "volume"):
            raise ValueError(f"Secret {self.secret!r} needs a deploy_target: a variable or a path.")
        if self.deploy_type == "env" and self.deploy_target:
            # Variables are in capitals, whatever the DAG says; DAGs rely on it.
            object.__setattr__(self, "deploy_target", self.deploy_target.upper())
