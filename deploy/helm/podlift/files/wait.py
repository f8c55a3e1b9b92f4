"""Waits until Airflow's database answers, and becomes the command that follows, if any.

    python wait.py SECONDS [COMMAND ...]

With a command it waits until somebody has migrated the database once, too. Airflow's own commands
import all of Airflow before they find that nobody answers, and end: seconds of a processor for each
try of each pod, while the database starts on the same node.
"""

import os
import sys
import time

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
PAUSE = 1.0


def missing(engine, migrated):
    """What is not there yet, in a sentence; None if nothing."""
    try:
        with engine.connect() as connection:
            if migrated:
                connection.execute(text("SELECT version_num FROM alembic_version")).one()
    except (OperationalError, ProgrammingError) as error:
        if "alembic_version" in str(error.orig):
            return "The database has no tables of Airflow yet."
        return f"The database cannot be asked: {str(error.orig).strip()}"
    return None


def main(seconds, *command):
    engine = create_engine(os.environ[DATABASE], poolclass=NullPool)
    end = time.monotonic() + float(seconds)
    said = None
    while reason := missing(engine, migrated=bool(command)):
        if reason != said:
            print(said := reason, flush=True)
        if time.monotonic() > end:
            sys.exit(f"That has lasted for {seconds} seconds.")
        time.sleep(PAUSE)
    if command:
        os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
