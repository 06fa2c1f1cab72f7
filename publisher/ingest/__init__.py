"""Source to stories: reads what the newsroom drops in and files it, once."""
