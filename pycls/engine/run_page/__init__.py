"""The page of a run, OUT_DIR/report.html: one file that opens anywhere."""
