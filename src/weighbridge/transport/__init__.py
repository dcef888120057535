"""Bytes: an HTTP/1.1 client and server, SSE, and the times things happened. Knows nothing of LLMs."""
