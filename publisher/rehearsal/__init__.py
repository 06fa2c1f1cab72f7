"""A rehearsal: an issue is sent to an evil relay on this machine while its sender is killed; nobody real is mailed."""
