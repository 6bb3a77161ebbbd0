"""What is done with a data set before training: pack_data, check_data."""
