"""Sample sets: the format, import, sampling, deduplication and redaction."""
