"""Readers: who asked for which list, how they agreed, and who is never mailed again."""
