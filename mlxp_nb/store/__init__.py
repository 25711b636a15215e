"""Run directories on disk: made, written, read. The files are the truth."""
