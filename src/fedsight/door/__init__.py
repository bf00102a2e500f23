"""What every HTTP service of ours has in common: who may ask, what a refusal looks like, how a
table of routes becomes an application and its document, and how one process serves it."""
