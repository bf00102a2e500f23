"""A whole store: told, compacted, verified, taken out, put in."""
