"""What mail providers report over HTTP: proof of origin first, then the reports in it."""
