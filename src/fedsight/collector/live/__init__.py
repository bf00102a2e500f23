"""The live stream: what commits bring, passed on to those who watch."""
