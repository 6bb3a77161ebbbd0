"""What compare_loaders measures, each run in a process of its own."""
