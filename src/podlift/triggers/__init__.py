"""Triggers: what the triggerer does for tasks that have given their worker back."""
