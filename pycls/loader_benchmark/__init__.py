"""Compare the loader backends on this machine: measure a grid of settings, recommend one, write tables and a page.

run.py leads. grid.py says what is measured, measure/ measures it (each setting in a process of its own), statistics.py
and recommend.py make figures of it, report/ writes them down; pytorch_cls_table.py is pytorch-cls's test.
"""

from pycls.loader_benchmark.options import Options, quick_options
from pycls.loader_benchmark.pytorch_cls_table import TableOptions, loader_table
from pycls.loader_benchmark.run import compare_loaders

__all__ = ["Options", "TableOptions", "compare_loaders", "loader_table", "quick_options"]
