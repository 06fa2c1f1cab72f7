"""A newsroom moves in from another tool: past issues, readers, and the old addresses of its pages."""
