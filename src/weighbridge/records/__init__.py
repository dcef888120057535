"""What happened: one Exchange for each request served, in append-only segments that survive kill -9."""
