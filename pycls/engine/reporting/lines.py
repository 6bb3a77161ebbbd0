"""What a run says to people, a line each: steps, epochs, evaluations."""

from typing import Any


def step_line(record: dict[str, Any], seconds_left: float) -> str:
    """Return a train_iter record as words."""
    return f"Epoch {record['epoch']}, step {record['iter']}: {_figures(record, seconds_left)}"


def epoch_line(record: dict[str, Any], seconds_left: float) -> str:
    """Return a train_epoch record as words."""
    bad = record["substituted"]
    images = "1 bad image replaced by another" if bad == 1 else f"{bad} bad images replaced by others"
    replaced = f", {images} of the same class" if bad else ""
    return f"Epoch {record['epoch']}: train {_figures(record, seconds_left)}{replaced}"


def evaluation_line(record: dict[str, Any]) -> str:
    """Return the record of an evaluation as words."""
    left_out = f" ({record['left_out']} LEFT OUT, which could not be read)" if record["left_out"] else ""
    return (
        f"top-1 error {record['top1_err']:.2f} %, top-5 error {record['top5_err']:.2f} %, loss {record['loss']:.4f}, "
        f"{record['count']} images{left_out}, {record['images_per_sec']:.0f} images/s"
    )


def evaluations_line(test: dict[str, Any], ema_test: dict[str, Any] | None, is_best: bool) -> str:
    """Return the records of an epoch's evaluations, of the model and of its EMA if there is one, as words."""
    ema = f"; EMA: {ema_test['top1_err']:.2f} %, loss {ema_test['loss']:.4f}" if ema_test else ""
    return f"Epoch {test['epoch']}: test {evaluation_line(test)}{ema}{'; best so far' if is_best else ''}"


def bar_figures(record: dict[str, Any]) -> str:
    """Return what the progress bar shows of a train_iter record; the most important first, terminals are narrow."""
    return f"loss {record['loss']:.3f}, error {record['top1_err']:.1f} %, {record['images_per_sec']:.0f} images/s"


def duration(seconds: float) -> str:
    """Write a time as "4:05", "1:02:03", "2 days 1:02:03"."""
    minutes, sec = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    clock = f"{hours}:{minutes:02}:{sec:02}" if hours or days else f"{minutes}:{sec:02}"
    return f"{days} {'day' if days == 1 else 'days'} {clock}" if days else clock


def _figures(record: dict[str, Any], seconds_left: float) -> str:
    return (
        f"loss {record['loss']:.4f}, top-1 error {record['top1_err']:.2f} %, lr {record['lr']:.4g}, "
        f"{record['images_per_sec']:.0f} images/s, data wait {record['data_wait_pct']:.1f} %, "
        f"{duration(seconds_left)} left, {record['mem']} MiB"
    )
