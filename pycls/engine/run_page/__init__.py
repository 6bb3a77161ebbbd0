"""The page of a run, OUT_DIR/report.html: one file that opens anywhere; other pages have its charts and styles."""
