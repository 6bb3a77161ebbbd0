"""DATA: which images are for what; DATA_LOADER: how images are read and become pixels."""

from pycls.core.config.key import Key

DATA = {
    "CLASSES": Key(
        "",
        "data",
        "file that names all classes of the network, in order (docs/DATA.md); empty: those of the data, sorted",
        form="path",
        ours=True,
    ),
    "MISSING_CLASSES": Key(
        False,
        "data",
        "a split may lack images of some classes, which can be predicted all the same",
        ours=True,
    ),
}

DATA_LOADER = {
    "BACKEND": Key(
        "auto",
        "data",
        "custom (C, OpenCV), torch (torchvision), dali_cpu, dali_gpu, memory (arrays)",
        choices=("auto", "custom", "torch", "dali_cpu", "dali_gpu", "memory"),
        table="pycls.datasets.BACKENDS",
        ours=True,
    ),
    "NUM_WORKERS": Key(
        8,
        "nothing",
        "threads or processes that decode, for each process; counts only where it is set",
        at_least=0,
        at_most=1024,
        implies=("DATA_LOADER.AUTO_WORKERS", False),
    ),
    "AUTO_WORKERS": Key(
        True,
        "nothing",
        "instead: usable cores / processes on this node; setting NUM_WORKERS turns it off",
        ours=True,
    ),
    "PIN_MEMORY": Key(True, "nothing", "page-locked host batches (CUDA only)"),
    "MODE": Key(
        "pytorch",
        "nothing",
        "pycls's switch; its other value, ffcv, is not available: use BACKEND",
        choices=("pytorch", "ffcv"),
    ),
    "PREFETCH": Key(3, "nothing", "batches prepared ahead", at_least=1, at_most=10_000, ours=True),
    "WORKER_MODE": Key(
        "auto",
        "nothing",
        "custom backend; auto: threads up to 16 workers",
        choices=("auto", "threads", "processes"),
        table="pycls.datasets.workers.KINDS",
        ours=True,
    ),
    "CHANNEL_ORDER": Key(
        "RGB",
        "data",
        "RGB and nothing else; weights of pycls, made for BGR, are turned when loaded",
        choices=("RGB",),
        ours=True,
    ),
    "JPEG": Key(
        "auto",
        "data",
        "custom backend: auto (the C extension if it is built), c (or fail), opencv",
        choices=("auto", "c", "opencv"),
        table="pycls.datasets.decoders.libjpeg_turbo.CHOICES",
        ours=True,
    ),
    "MEAN": Key(
        [],
        "data",
        "RGB mean that is subtracted, 0..1; empty: that of the data set",
        items=float,
        counts=(0, 3),
        at_least=0,
        at_most=1,
        ours=True,
    ),
    "STD": Key(
        [],
        "data",
        "RGB standard deviation that is divided by, 0..1; empty: that of the data set",
        items=float,
        counts=(0, 3),
        at_least=0.001,
        at_most=1,
        ours=True,
    ),
    "ANTIALIAS": Key(
        True,
        "data",
        "Pillow's filters, wider the more an image shrinks; False: plain bilinear, as pycls",
        ours=True,
    ),
    "ON_BAD_IMAGE": Key(
        "raise",
        "data",
        "skip: another image of the class in training, left out in evaluation",
        choices=("raise", "skip"),
        ours=True,
    ),
    "SKIP_LIST": Key(
        "",
        "data",
        "file that names images to leave out, <split>/<class>/<image>; by check_data.py",
        form="path",
        ours=True,
    ),
    "TIMEOUT_SEC": Key(
        120.0,
        "nothing",
        "seconds a loader worker may spend on one image before the run ends; 0: for ever",
        at_least=0.1,
        at_most=1_000_000,
        also=(0,),
        ours=True,
    ),
}
