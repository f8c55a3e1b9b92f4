"""From a plain manifest to a Kubernetes client's model object, for users' code that wants one.

The opposite of ``plain.to_manifest``, and built from the same two tables that every generated model
carries. The clients' own deserialisers differ from version to version and want an HTTP response.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

_LIST = re.compile(r"list\[(.+)\]")
_DICT = re.compile(r"dict[(\[]str, ?(.+)[)\]]")


def to_model(value: Any, kind: str, client: Any) -> Any:
    """The model called ``kind`` for a plain value; ``client`` is ``kubernetes.client`` or its like.

    A field that the client's version does not know is left out: compare ``to_manifest`` of the
    result with what was given to see it. Raises ``ValueError`` where the client refuses a value.
    """
    model: Any = getattr(client, kind)
    if hasattr(model, "from_dict"):  # the official client since it is made of pydantic models
        return model.from_dict(value)
    # Models insist on fields that the API server would fill in, unless told not to.
    lenient = client.Configuration()
    lenient.client_side_validation = False
    return _made(value, kind, client, lenient)


def _made(value: Any, kind: str, client: Any, lenient: Any) -> Any:
    if value is None:
        return None
    if found := _LIST.fullmatch(kind):
        return [_made(item, found[1], client, lenient) for item in value]
    if found := _DICT.fullmatch(kind):
        return {key: _made(item, found[1], client, lenient) for key, item in value.items()}
    if kind == "datetime" and isinstance(value, str):
        return datetime.fromisoformat(value)
    model: Any = getattr(client, kind, None)
    if not hasattr(model, "openapi_types"):
        return value
    fields = {
        name: _made(value[wire], model.openapi_types[name], client, lenient)
        for name, wire in model.attribute_map.items()
        if wire in value
    }
    return model(local_vars_configuration=lenient, **fields)
