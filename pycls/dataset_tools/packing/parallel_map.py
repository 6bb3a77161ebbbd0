"""Work on the next items in threads while the caller uses the current one."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def parallel_map(work: Callable[[T], R], items: Iterable[T], num_workers: int, ahead: int = 8) -> Iterator[R]:
    """Yield work(item) in the order of the items, at most `ahead` times `num_workers` of them prepared or in work."""
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="pycls-ahead")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead * num_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
