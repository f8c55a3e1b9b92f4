"""``airflow podlift doctor``: whether everything that the executor needs is there.

Each module looks at one matter and yields ``Check``s; ``visiting`` is the command.
"""
