"""Reads mail that comes in: commands, replies, bounces, complaints. Pure: bytes go in, what they say comes out."""
