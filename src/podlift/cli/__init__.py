"""The `podlift` command: an Airflow and a cluster to try it on, started and stopped together."""


def main() -> None:
    """Entry point of the `podlift` script."""
    from podlift.cli.app import run  # only now: `import podlift.cli` costs nothing

    run()


__all__ = ["main"]
