"""One importer for each format that production traffic is exported in."""
