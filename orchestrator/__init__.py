"""The engine: normalise a batch document, plan it against a live NetBox, apply the plan."""
