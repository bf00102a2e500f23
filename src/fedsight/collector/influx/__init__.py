"""InfluxDB 1.8 as the store of samples; all else stays in the hot log."""
