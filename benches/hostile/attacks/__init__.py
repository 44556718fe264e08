"""One file per attack; see ../run.py."""
