"""What is the case is polled: services, networks, scrape targets and this machine, each by a
monitor of its own."""
