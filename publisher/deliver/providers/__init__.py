"""Providers whose API is a relay, one a file: mails go in, a verdict for each comes out."""
