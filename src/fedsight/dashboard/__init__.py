"""The dashboard's built files; their source is in `web/`."""
