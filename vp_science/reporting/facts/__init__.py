"""What files know about how they were made: a module per kind of file. Nothing here makes sentences."""
