"""A node's side of a round."""
