"""Social networks, one a file: each turns a frozen post into a result or into one bit of failure."""
