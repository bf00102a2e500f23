"""Questions about samples over HTTP: `GET /api/v1/query` and `GET /api/v1/series`."""
