"""Values and rules: no disk, process, clock, network or notebook."""
