"""A node's own figures under Scaphandre's names: power, load, memory, disks, processes."""
