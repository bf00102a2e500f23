"""Taking data out: exports as files, runs side by side, events to Elasticsearch."""
