"""Configs of the ancestors, pycls of all years and pytorch-cls: in today's words, with what they need not say."""

from collections.abc import Callable, Sequence

from pycls.core.config.ancestors.computed import computed_settings
from pycls.core.config.ancestors.names import translated
from pycls.core.config.ancestors.policies import named_policies
from pycls.core.config.ancestors.writers import find_writer, implied_settings
from pycls.core.config.settings import COMMAND_LINE, Setting


def todays_settings(
    settings: Sequence[Setting], is_known: Callable[[str], bool], foreign: bool = False
) -> tuple[list[Setting], list[str]]:
    """Return the settings in today's words, in order and without those that mean nothing; and what to tell the user.

    What the program that wrote the file did not need to say comes first. `is_known` tells whether somebody has declared
    a key. `foreign`: what is no setting of the command line is the whole config of another program, as its checkpoints
    hold one.
    """
    written = [setting for setting in settings if setting.where != COMMAND_LINE]
    given = [setting for setting in settings if setting.where == COMMAND_LINE]
    writer = find_writer(written, foreign)
    current, notes = translated([*written, *computed_settings(written), *given], is_known)
    implied, said = implied_settings(writer, current)
    policies, told = named_policies(writer, current)
    return [*implied, *policies], [*notes, *said, *told]
