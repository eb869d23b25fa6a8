"""Quality: datasets × methods × seeds, each a run of the product; docs/results.md."""
