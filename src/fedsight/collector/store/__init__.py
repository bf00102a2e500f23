"""The hot log: its tables, and what is written into them."""
