"""What a file of torch.save holds, found out before anything of it is built: its records, their bytes, its pickle."""
