"""Where logs are kept, and how the API server gets at them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from airflow.configuration import conf

from podlift.commands.doctor.checks import Check, bad, doubtful, good
from podlift.executor.deployment import log_folder

WHAT = "log folder"
_LITTLE = 1 << 30


def check_logs() -> Iterator[Check]:
    """Look at the folder, and at what Airflow's configuration says of logs elsewhere."""
    yield judge_folder(log_folder().base)
    if conf.getboolean("logging", "remote_logging", fallback=False):
        folder = conf.get("logging", "remote_base_log_folder", fallback="")
        yield good("remote logs", f"Workers bring their logs to {folder or 'a log service'}.")
    else:
        port = conf.get("logging", "worker_log_server_port", fallback="8793")
        says = (
            "Logs stay with the scheduler that kept them; API servers on other machines ask its "
            f"log server (port {port})."
        )
        yield good("remote logs", says)


def judge_folder(folder: Path) -> Check:
    """Whether logs can be kept in this folder; it is made if it is not there."""
    remedy = "Let the scheduler's user write there, or choose another [logging] base_log_folder."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".podlift-doctor-") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        says = f"Nothing can be written to {folder}: {error.strerror or error}."
        return bad(WHAT, says, remedy)
    says = f"{folder} can be written to; {free / (1 << 30):.1f} GiB are free."
    if free < _LITTLE:
        return doubtful(WHAT, says, "Make room: when the disk is full, logs are not kept.")
    return good(WHAT, says)
