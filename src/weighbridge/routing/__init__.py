"""What is decided: a policy as data, the health of its targets, and what to do next. No clock, no I/O of its own."""
