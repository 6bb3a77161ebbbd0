"""Errors of memory that ran out, in one line: torch has several kinds, with advice for its developers."""

_BEGINNING = "out of memory"
_MARKS = ("not enough memory", "out of memory", "Cannot allocate memory")
_WAY_OUT = "lower TRAIN.BATCH_SIZE, TEST.BATCH_SIZE or TRAIN.IM_SIZE, or raise OPTIM.ACCUM_STEPS (docs/SCALE.md)"


def memory_line(error: BaseException) -> str:
    """Return what to say of an error if it is one of memory, "" for others; torch need not be imported for that."""
    text = " ".join(str(error).split())
    if text.startswith(_BEGINNING):  # said by another process
        return text
    is_of_memory = isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(mark in text for mark in _MARKS)
    )
    if not is_of_memory:
        return ""
    sentences = [part for part in text.split(". ") if part][:3]  # what was asked for, and what there is
    return f"{_BEGINNING}: {'. '.join(sentences) or 'the host has no more'}; {_WAY_OUT}"
