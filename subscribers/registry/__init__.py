"""The only writer of readers and subscriptions."""
