"""Pages for readers: what a link in a mail opens."""
