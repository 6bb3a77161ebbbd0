"""What is drawn for an image and done to its pixels: crops, flips, policies, normalization."""
