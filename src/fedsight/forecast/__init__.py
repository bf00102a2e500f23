"""Foresight: what a node's load, memory and power will be, learned from its own past."""
