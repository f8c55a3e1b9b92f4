"""The demo gets a home that must be empty of processes afterwards."""

from tests.homes import home

__all__ = ["home"]
