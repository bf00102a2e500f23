"""The collector: takes signals in from journals, keeps them, and shows them over HTTP."""
