"""The load engine: arrivals, attempts, the journal and resuming from it."""
