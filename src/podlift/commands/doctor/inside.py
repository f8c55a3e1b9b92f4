"""What the sample pod runs, by its source: it finds the standard library there and nothing else."""

import json
import os
import time
import urllib.error
import urllib.request
from importlib.metadata import PackageNotFoundError, version

MARK = "podlift-doctor "
"""What the line with the answer begins with; a container may say other things too."""
URL_VARIABLE = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
_PATIENCE = 10.0


def look() -> dict[str, object]:
    """The time, the versions installed, and what Airflow's execution API answers."""
    found: dict[str, object] = {
        "time": time.time(),
        "versions": {name: _installed(name) for name in ("apache-airflow-core", "podlift")},
    }
    url = os.environ[URL_VARIABLE].rstrip("/") + "/health"
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
            found["status"] = answer.status
    except urllib.error.HTTPError as error:
        found["status"] = error.code
    except (OSError, ValueError) as error:
        found["error"] = str(getattr(error, "reason", error)) or type(error).__name__
    return found


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    print(MARK + json.dumps(look()), flush=True)
