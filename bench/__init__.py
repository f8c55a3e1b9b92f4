"""Measures Podlift on this machine. Run it from the repository's folder, not from the tests."""
