"""How a run goes on from a checkpoint: whether it is whole, whether it is of this run, and its way back."""
