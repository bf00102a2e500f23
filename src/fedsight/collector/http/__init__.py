"""The HTTP API: the door, the routes and their parameters, the dashboard's files."""
