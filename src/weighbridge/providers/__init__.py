"""Who answers: dialects, presets, prices, and the table of vendor errors."""
