"""The command line: one file a command, each thin; it prints what the Python API returns."""
