"""Taking samples in: columns of numbers, line protocol, limits, and what is told of what came."""
