"""What is done to a whole store by hand: told, compacted, verified, taken out, put in."""
