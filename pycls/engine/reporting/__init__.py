"""What a run tells: meters, records, tables, curves, its result."""
