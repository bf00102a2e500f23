"""The forecaster: reads windows, foresees, tells what it foresaw and how wrong it was.

It loads no model itself: whoever starts it hands over a `Predictor`'s source, so that this room
needs nothing of the one that trains.
"""
