"""What every layer may use: config, checkpoints, weights, processes, logging."""
