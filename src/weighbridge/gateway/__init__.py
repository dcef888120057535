"""Serving: many providers behind one OpenAI-compatible API."""
