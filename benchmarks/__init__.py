"""What fedsight costs and how well it trains, measured beside its limit and its peers.

`python -m benchmarks.NAME` runs one benchmark, `python -m benchmarks` all of them. Every figure
comes from the run that prints it: ours, the limit's and the peer's are taken in turns.
"""
