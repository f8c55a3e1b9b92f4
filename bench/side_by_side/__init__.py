"""Podlift beside the standard executor, on the same server, in turns: ``make bench``."""
