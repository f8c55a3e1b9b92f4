"""A function and what it is called with, packed into the environment of a container. Pure.

The container's command is the text of ``in_pod``, which unpacks it. It takes the environment and
not a file, because that needs no other object in the cluster and no right to make one.
"""

from __future__ import annotations

import base64
import inspect
import json
import pickle
import platform
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from podlift.operators.errors import FunctionNotSent
from podlift.pods.plain import Manifest

_PIECE = 120_000
"""Linux takes 128 KiB for one variable."""
_MOST = 1_000_000
"""etcd takes 1.5 MiB for one object, Linux 2 MiB for a program's whole environment."""
_PROTOCOL = 4
"""Of pickle, which Python 3.8 and later read."""


def pack_arguments(serializer: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """The arguments as text. Raises ``FunctionNotSent``, naming the one that cannot travel."""
    pickler = _pickler(serializer)
    given = tuple(map(_settled, args)), {name: _settled(each) for name, each in kwargs.items()}
    try:
        packed: bytes = pickler.dumps(given, protocol=_PROTOCOL)
    except Exception as error:  # whatever an argument's own code may raise
        names = [f"number {index}" for index in range(1, len(args) + 1)] + [*kwargs]
        culprits = [
            name
            for name, value in zip(names, (*given[0], *given[1].values()), strict=True)
            if not _packs(pickler, value)
        ]
        raise FunctionNotSent(
            f"Argument {', '.join(culprits)} cannot travel into a pod: {error}. Pass plain values."
        ) from error
    return base64.b64encode(packed).decode()


def _pickler(serializer: str) -> Any:
    if serializer == "pickle":
        return pickle
    try:
        return import_module(serializer)
    except ImportError:
        raise FunctionNotSent(
            f"serializer is {serializer!r}, which is not installed on the worker: "
            f"pip install {serializer}."
        ) from None


def _packs(pickler: Any, value: Any) -> bool:
    try:
        pickler.dumps(value, protocol=_PROTOCOL)
    except Exception:  # noqa: BLE001  whatever the value's own code may raise
        return False
    return True


def _settled(value: Any) -> Any:
    """What an image without Airflow can unpack: a list for results that are fetched one by one,
    and Python's own dates.
    """
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if kind == "airflow.sdk.execution_time.lazy_sequence.LazyXComSequence":
        return list(value)
    if kind == "airflow.sdk.definitions.param.ParamsDict":
        return value.dump()
    if isinstance(value, datetime) and type(value) is not datetime and value.tzinfo is not None:
        return datetime.fromtimestamp(value.timestamp(), UTC)
    return value


def pack(
    *,
    source: str,
    function: str,
    serializer: str,
    arguments: str,
    requirements: Sequence[str],
    pip_options: Sequence[str],
    output: str | None,
) -> list[Manifest]:
    """Entries of a container's ``env``. Raises ``FunctionNotSent`` for what is too large."""
    task = {
        "source": source,
        "function": function,
        "serializer": serializer,
        "arguments": arguments,
        "requirements": list(requirements),
        "pip_options": list(pip_options),
        "output": output,
        "python": ".".join(platform.python_version_tuple()[:2]),
    }
    text = base64.b64encode(zlib.compress(json.dumps(task).encode(), 9)).decode()
    if len(text) > _MOST:
        raise FunctionNotSent(
            f"Function {function} and its arguments take {len(text):,} bytes when packed, where "
            f"{_MOST:,} fit into a pod. Write what is large to a volume or an object store, and "
            "pass where it is."
        )
    from podlift.decorators.in_pod import VARIABLE

    return [
        {"name": f"{VARIABLE}_{number}", "value": text[start : start + _PIECE]}
        for number, start in enumerate(range(0, len(text), _PIECE))
    ]


def program() -> str:
    """The text of what runs in the pod."""
    from podlift.decorators import in_pod

    return inspect.getsource(in_pod)
