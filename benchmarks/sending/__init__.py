"""The parts of `benchmarks.send`: a newsroom made for measuring, the yardstick, the link, the process that sends, and what is read off it."""
