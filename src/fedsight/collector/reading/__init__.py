"""Questions to the store, and their answers as rows and columns."""
