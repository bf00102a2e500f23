"""A Flower app that knows nothing of fedsight: `fedsight run examples/flower_app`."""
