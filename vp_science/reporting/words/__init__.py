"""Sentences of facts: a module per kind of section. Nothing here opens a file."""
