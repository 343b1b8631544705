"""Does training help? Every figure of docs/results.md is made here; see README.md beside this file."""
