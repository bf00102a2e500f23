"""Alerts: what was found wrong, told once, silenced, acknowledged, sent on, resolved."""
