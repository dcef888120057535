"""A provider you can run, with set latencies and faults, that says when it really sent each chunk."""
