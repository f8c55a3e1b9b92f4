"""``airflow podlift explain``: what happened to one task instance, step by step, and why.

``records`` asks Airflow's database, ``cluster`` the cluster, ``logs`` the log page's sources. From
what they found ``steps`` makes the story and ``conclusion`` its moral, both pure; ``telling`` is
the command.
"""
