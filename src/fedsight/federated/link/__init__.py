"""Federations of separate processes: Flower's SuperLink, the grid that uses it, and its nodes."""
