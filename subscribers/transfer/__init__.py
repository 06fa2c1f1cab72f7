"""Readers in from a file and out to one."""
