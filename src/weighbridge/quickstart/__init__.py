"""The bundled example: two real local models, its samples, prompts and configuration."""
