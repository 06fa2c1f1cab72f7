"""Language and length rules: pure functions over text, no input and no output."""
