"""What importing each public module costs a DAG file, over Airflow itself.

    python -m bench.import_cost [OTHER_MODULE...]

Every process that reads DAG files has imported Airflow and found its providers before, so that is
where the clock starts. Each figure is the smallest of several fresh processes, in milliseconds.
"""

from __future__ import annotations

import subprocess
import sys

MODULES = (
    "podlift.operators",
    "podlift.operators.job",
    "podlift.operators.resource",
    "podlift.operators.exec",
    "podlift.operators.kueue",
    "podlift.operators.custom_object",
    "podlift.operators.spark",
    "podlift.operators.secret",
    "podlift.decorators",
    "podlift.hooks.kubernetes",
    "podlift.secrets.kubernetes",
)
_PROCESSES = 5
_CODE = """
import time
from airflow.sdk import DAG, BaseHook, BaseOperator, task
import airflow.sdk.exceptions
task.bash
began = time.perf_counter()
import {}
print((time.perf_counter() - began) * 1000)
"""


def cost_of(module: str) -> float:
    """Milliseconds that the import takes at best."""
    return min(once(module) for _ in range(_PROCESSES))


def once(module: str, python: str = sys.executable) -> float:
    """Milliseconds of one import in a fresh process, in the environment of that Python."""
    command = [python, "-c", _CODE.format(module)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    for module in (*MODULES, *sys.argv[1:]):
        print(f"{module:40} {cost_of(module):8.1f} ms")


if __name__ == "__main__":
    main()
