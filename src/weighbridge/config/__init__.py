"""weighbridge.yaml as typed structs, with the line of everything that is wrong."""
