"""What runs in the job: light imports only (the store and the core)."""
