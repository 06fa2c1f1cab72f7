"""Where mail comes in: LMTP or SMTP behind the newsroom's own server, or a mailbox polled by IMAP."""
