"""A file per notebook: its figures (``draw_…``) and its explorers."""
