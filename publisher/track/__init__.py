"""What came back, and mail that comes in, becomes knowledge: bounces, complaints, commands, provider events."""
