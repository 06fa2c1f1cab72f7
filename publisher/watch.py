"""Pauses a newsletter whose bounces or complaints pass their limit while it is being sent."""
