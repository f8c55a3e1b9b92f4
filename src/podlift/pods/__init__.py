"""Pure functions on pod manifests: build, merge, name, read status, diagnose."""
