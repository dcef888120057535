"""From a configuration to a run, and from a run to figures with intervals and a verdict."""
