"""One setting changed, one method tried: comparisons and notebooks of a reader's own."""
