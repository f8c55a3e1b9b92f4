"""Runs DAG files one after another in this process, as `airflow dags test` does.

    python -m tests.e2e.examples_run FILE...

Prints the state of every task instance as JSON, last.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag


def main(files: list[str]) -> None:
    found: dict[str, dict[str, str]] = {}
    for file in files:
        bag = DagBag(file, bundle_path=Path(file).parent)
        assert not bag.import_errors, bag.import_errors
        for dag in bag.dags.values():
            run = dag.test()
            assert run is not None
            found[dag.dag_id] = {
                ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
                for ti in run.get_task_instances()
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
