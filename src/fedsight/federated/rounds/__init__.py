"""The rounds of a run: the loop, what closes a round, who is there, what is said of it."""
