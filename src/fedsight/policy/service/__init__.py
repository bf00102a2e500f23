"""The policy engine as a service: it decides over HTTP, and records each decision first."""
