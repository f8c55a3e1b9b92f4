"""A single-node Kubernetes built from source, for the tests that must hold on the real thing."""
