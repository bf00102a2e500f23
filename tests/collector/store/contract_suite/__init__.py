"""What every store of samples must answer; see `suite.py`."""
