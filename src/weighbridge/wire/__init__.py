"""What is said: OpenAI-compatible requests, replies, chunks, usage and errors. Unknown fields pass through."""
