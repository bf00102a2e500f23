"""The FL server: one training run at a time, steered and watched over HTTP (docs/api.md)."""
