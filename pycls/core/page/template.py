"""Fill the templates of pages. Whatever is put in is escaped, and visible, unless a template says `safe`."""

import functools
from pathlib import Path
from typing import Any

from pycls.core.atomic_io import write_durably
from pycls.core.registry import printable_lines

HERE = "pycls.core.page"
RUN_PAGE = "report.html"  # in the OUT_DIR of a run


def save_page(path: Path, name: str, package: str, **values: Any) -> None:
    """Write a page, as a whole or not at all, from the template `name` of a package.

    It may extend base.html.j2 and import from plots.html.j2, which lie beside this module.
    """
    text = _environment(package).get_template(name).render(values)
    write_durably(path, text.encode("utf-8", "backslashreplace"))  # names of files need not be valid Unicode


@functools.cache
def _environment(package: str) -> Any:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loaders = [PackageLoader(folder, "") for folder in dict.fromkeys((package, HERE))]
    return Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _visible(value: Any) -> Any:
    """Return what is put into a page, texts of ours as they are, others so that nothing in them is unseen."""
    return type(value)(printable_lines(value)) if isinstance(value, str) else value
