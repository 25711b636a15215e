"""Reading results: run directories as lazy tables, groups and curves."""
