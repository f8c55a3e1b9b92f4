"""What Podlift adds to the ``airflow`` command: ``airflow podlift …``.

``definition`` says which commands there are, and is all that is imported when ``airflow`` starts.
"""
