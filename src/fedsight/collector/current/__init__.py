"""What is the case now, and word of what is new: in memory, or in Redis for several processes."""
