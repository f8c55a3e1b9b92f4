"""What each kind's objects must look like: defaults filled in, mistakes named."""

from podlift.local.api.rules.table import Rules, rules_of

__all__ = ["Rules", "rules_of"]
