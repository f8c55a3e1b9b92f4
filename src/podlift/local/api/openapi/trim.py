"""Make ``schemas.json`` from the OpenAPI documents of a Kubernetes API server.

    python -m podlift.local.api.openapi.trim DOCUMENT... > schemas.json

The documents are what ``kubectl get --raw /openapi/v3/api/v1`` and ``…/apis/batch/v1`` print; ours
come from a kube-apiserver 1.36.2, without descriptions. Kept is what the served kinds refer to.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from podlift.local.api.openapi.references import closure
from podlift.local.kinds import KINDS


def roots(schemas: dict[str, Any]) -> list[str]:
    """The schemas of the kinds that the local cluster serves."""
    served = {(kind.group, kind.version, kind.kind) for kind in KINDS}
    return [
        name
        for name, schema in schemas.items()
        for gvk in schema.get("x-kubernetes-group-version-kind", ())
        if (gvk["group"], gvk["version"], gvk["kind"]) in served
    ]


def main(paths: list[str]) -> None:
    """Print the trimmed schemas."""
    schemas: dict[str, Any] = {}
    for path in paths:
        schemas |= json.loads(Path(path).read_text())["components"]["schemas"]
    kept = closure(schemas, roots(schemas))
    json.dump(kept, sys.stdout, separators=(",", ":"), sort_keys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
