"""What compare_loaders shows: tables, figures, an HTML page."""
