"""Input made to fill the memory, to take for ever, or to be taken for something else: one line, in bounds."""

import functools
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability.case import Case, Room, tree
from benchmarks.reliability.lists import bombs
from benchmarks.reliability.lists.config_attacks import ATTACKS, Attack, key_attacks
from benchmarks.reliability.lists.image_attacks import image_attacks, no_files, odd_names
from benchmarks.reliability.processes.command import Ended, Limits
from benchmarks.reliability.tiny import words
from benchmarks.reliability.verdicts import check, check_done, check_one_line, check_refused, is_remark

MOST_EXTRA_MB, MOST_SEC = 1000, 60  # more than what the program has to begin with; on a busy machine
LIMITS = Limits(MOST_SEC, extra_mb=4000)
NUM_VALUES = 250  # of the thousands of extreme values
_NAMES = {"pack-data": "pack", "convert-weights": "convert", "model-zoo": "zoo"}  # commands that files call otherwise
_BACKENDS = ("custom", "torch", "dali_cpu")


def attack_cases() -> Iterator[Case]:
    """Yield every attack."""
    for bomb in bombs.BOMBS:
        yield Case("attacks: bombs", bomb.title, functools.partial(judge_bomb, bomb), ("data", "run", *bomb.needs))
    for attack in ATTACKS:
        yield Case(f"attacks: {attack.kind}", attack.name, functools.partial(judge_attack, attack), ("data",))
    needs = ("data", "run")
    for number, name in enumerate(_images()):
        backend = _BACKENDS[number % len(_BACKENDS)]
        yield Case(
            "attacks: images",
            f"{name}, {backend}",
            functools.partial(judge_image, name, backend),
            needs,
            backend == "torch",
        )
    for name in no_files():
        for backend in ("custom", "torch"):
            yield Case(
                "attacks: no files", f"{name}, {backend}", functools.partial(judge_no_file, name, backend), needs
            )
    for number, name in enumerate(odd_names()):
        title = ascii(name)[:60]
        yield Case("attacks: names of files", f"{number}: {title}", functools.partial(judge_name, name), needs)
    for number in range(NUM_VALUES):
        yield Case("attacks: values of keys", f"value #{number}", judge_value)


def check_bounded(ended: Ended) -> None:
    """Raise Failed unless a command ended in time and in memory, by itself and without a traceback."""
    check(ended.code != -signal.SIGKILL or ended.late, f"killed, for its memory? {ended.told()}")
    check("MemoryError" not in ended.err and "bad_alloc" not in ended.err, f"out of memory: {ended.told()}")
    check_done(ended, ended.code)
    check(ended.code >= 0, f"a crash: {ended.told()}")
    check(ended.extra_mb < MOST_EXTRA_MB, f"took {ended.extra_mb} MB more: {ended.told()}")


def judge_bomb(bomb: bombs.Bomb, room: Room) -> None:
    """Make the files and run the command: refused in one line, and nothing written."""
    bomb.make(room.folder)
    before = tree(room.folder)
    ended = room.run(*bomb.words.split(), limits=LIMITS)
    check_bounded(ended)
    check_refused(ended, bomb.says)
    check(tree(room.folder) == before, "a refused command wrote or changed files")


def judge_attack(attack: Attack, room: Room) -> None:
    """The same for one that makes its command line with its files."""
    given = attack.make(room.folder)
    command = attack.tool.removesuffix(".py").removesuffix("_net").replace("_", "-")
    ended = room.run(_NAMES.get(command, command), *given, limits=LIMITS)
    check_bounded(ended)
    check_refused(ended, attack.says)


def judge_image(name: str, backend: str, room: Room) -> None:
    """Ask what is on an image: it is shown, or it is one image that could not be read."""
    (room.folder / name).write_bytes(_images()[name])
    ended = room.run("predict", name, "--weights", "{run}", "--backend", backend, limits=LIMITS)
    check_bounded(ended)
    _check_prediction(ended, name)


@functools.cache
def _images() -> dict[str, bytes]:
    return image_attacks()


def judge_no_file(name: str, backend: str, room: Room) -> None:
    """Ask what is on something that is no file, and train on a folder that has it."""
    no_files()[name](room.folder / name)
    ended = room.run("predict", name, "--weights", "{run}", "--backend", backend, limits=LIMITS)
    check_bounded(ended)
    _check_prediction(ended, name)
    train = _copied_data(room) / "train/0"
    no_files()[name](train / name)
    ended = room.run("train", *words("{here}/out", train.parents[1], DATA_LOADER__BACKEND=backend), limits=LIMITS)
    check_bounded(ended)
    if ended.code != 0:  # left out and told, or refused by its name
        check_refused(ended, name)


def _copied_data(room: Room) -> Path:
    return Path(shutil.copytree(room.fixtures["data"], room.folder / "d", ignore=shutil.ignore_patterns(".pycls*")))


def _check_prediction(ended: Ended, name: str) -> None:
    check(ended.code in (0, 1, 2), f"expected exit code 0, 1 or 2: {ended.told()}")
    if ended.code == 2:
        check_one_line(ended, name)
    else:
        lines = [line for line in ended.out.splitlines() if name in line]
        check(len(lines) == 1, f"expected one line of {name}: {ended.told()}")


def judge_name(name: str, room: Room) -> None:
    """Train on data with a damaged image of the name, leaving it out: nothing that is said or written is deceived."""
    data = _copied_data(room)
    for split in ("train", "val"):
        (data / split / "0" / name).write_bytes(b"no image")
    given = words("{here}/out", data, DATA_LOADER__ON_BAD_IMAGE="skip", OPTIM__MAX_EPOCH=1)
    ended = room.run("train", *given, limits=LIMITS)
    check_bounded(ended)
    check_done(ended)
    texts = [ended.out, ended.err, (room.folder / "out/stdout.log").read_text(errors="surrogateescape")]
    for text in texts:
        _check_shown(text)
    page = (room.folder / "out/report.html").read_text(errors="surrogateescape")
    check("<script>alert" not in page and "<img src=x" not in page, "the name is code in report.html")
    check("\x1b" not in page and "\x9b" not in page, "an escape in report.html")
    refused = room.run("train", *words("{here}/refused", data), limits=LIMITS)
    check_refused(refused, ".")


def _check_shown(text: str) -> None:
    """Raise Failed if a text has characters that move or color what a terminal shows, or a record nobody wrote."""
    odd = sorted({character for character in text if character not in "\n\t" and _deceives(character)})
    check(not odd, f"characters {[ascii(c) for c in odd]} are shown as they are")
    forged = [line for line in text.splitlines() if "json_stats:" in line and '"epoch": "9' in line]
    forged = [line for line in forged if line.lstrip().startswith(("json_stats", "[records"))]
    check(not forged, f"a record that nobody wrote: {forged[:1]}")


def _deceives(character: str) -> bool:
    return not character.isprintable() and not "\udc80" <= character <= "\udcff"


def judge_value(room: Room) -> None:
    """Give a key an extreme value: the config is shown, or refused by the key's name."""
    key, text = room.random.choice(_values())
    ended = room.run("train", "--print-cfg", key, text, limits=LIMITS)
    check_bounded(ended)
    check(ended.code in (0, 2), f"{key} {text[:60]!r}: {ended.told()}")
    errors = [line for line in ended.err.splitlines() if not is_remark(line)]
    if ended.code == 2:
        check(len(errors) == 1 and key in errors[0], f"{key} {text[:60]!r}: {ended.told()}")
        check(len(errors[0]) < 3000, f"{key} {text[:60]!r}: a line of {len(errors[0])} characters")


@functools.cache
def _values() -> list[tuple[str, str]]:
    return [(key, text) for key, text in key_attacks() if "\0" not in text]  # no command line can hold that
