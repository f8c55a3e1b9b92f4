"""Ends well if this pod's job has lately told Airflow's database that it is alive.

    python alive.py TriggererJob SECONDS

`airflow jobs check` asks the same, and imports all of Airflow for it: seconds of a processor, every
time, and more than a probe waits for on a busy node.
"""

import os
import socket
import sys
from datetime import UTC, datetime
from importlib import import_module

from sqlalchemy import DateTime, column, create_engine, func, select, table
from sqlalchemy.exc import OperationalError

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
CALLABLE = "AIRFLOW__CORE__HOSTNAME_CALLABLE"


def hosts():
    """What Airflow may have called this host in its table of jobs."""
    module, _, function = os.environ.get(CALLABLE, "airflow.utils.net.getfqdn").rpartition(".")
    if module != "airflow.utils.net":
        return {getattr(import_module(module), function)()}
    # One of Airflow's own: the name, as DNS has it or not, or the address.
    name = socket.gethostname()
    found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM, flags=socket.AI_CANONNAME)
    return {name, *(each[3] for each in found if each[3]), *(each[4][0] for each in found)}


def silence(kind):
    """Seconds since the job's last sign of life; None where there never was one."""
    beat = column("latest_heartbeat", DateTime(timezone=True))
    job = table("job", column("job_type"), column("hostname"), beat)
    last = select(func.max(job.c.latest_heartbeat)).where(
        job.c.job_type == kind, job.c.hostname.in_(hosts())
    )
    with create_engine(os.environ[DATABASE]).connect() as connection:
        at = connection.execute(last).scalar()
    if at is None:
        return None
    return (datetime.now(UTC) - at.replace(tzinfo=at.tzinfo or UTC)).total_seconds()


def main(kind, patience):
    try:
        found = silence(kind)
    except OperationalError as error:
        # To start anew brings no database back.
        return print(f"The database cannot be asked: {error}")
    if found is None:
        sys.exit(f"No {kind} has given a sign of life on this host.")
    if found > float(patience):
        sys.exit(f"The {kind} on this host has been silent for {found:.0f} seconds.")
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
