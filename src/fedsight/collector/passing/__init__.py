"""Passes requests of the dashboard on to our own services: a fixed list, of fixed routes."""
