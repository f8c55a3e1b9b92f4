"""What all tests share: an Airflow of their own, so that the developer's is left alone."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Airflow reads its environment when it is imported, which is before any fixture runs.
_HOME = tempfile.mkdtemp(prefix="podlift-tests-airflow-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith(("AIRFLOW__", "PODLIFT_"))]:
    del os.environ[_name]
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__EXECUTOR"] = "podlift.executor.KubernetesExecutor"
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
