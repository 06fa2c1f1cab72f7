"""What receivers look at, looked at first: records in the DNS, the relay, the pages, the machine. Nothing is sent and nothing is changed."""
