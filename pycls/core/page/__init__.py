"""What pages are made of: templates with styles, line charts, and values over epochs from the records of a run."""
