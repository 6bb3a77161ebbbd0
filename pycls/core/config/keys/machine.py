"""Where and how fast: cuDNN, timing, launching, sharding, logs, and the keys outside of sections."""

from pycls.core.config.key import Key

CUDNN = {
    "BENCHMARK": Key(True, "nothing", "let cuDNN choose its algorithms by timing them"),
    "DETERMINISTIC": Key(
        False,
        "nothing",
        "deterministic algorithms where PyTorch has them, a warning elsewhere; slower",
        ours=True,
    ),
}

PREC_TIME = {
    "WARMUP_ITER": Key(3, "nothing", "untimed iterations of time_net.py", at_least=0, at_most=1_000_000),
    "NUM_ITER": Key(30, "nothing", "timed iterations", at_least=1, at_most=1_000_000),
}

# Cluster launching of pycls; not available yet, MODE must stay local for training.
LAUNCH = {
    "MODE": Key(
        "local",
        "nothing",
        "cluster launching of pycls; not available yet, must stay local",
        choices=("local", "slurm", "submitit_local"),
    ),
    "MAX_RETRY": Key(3, "nothing", "times a job that was cut off starts again", at_least=0, at_most=1000),
    "NAME": Key("pycls_job", "nothing", "name of the job"),
    "COMMENT": Key("", "nothing", "comment of the job"),
    "CPUS_PER_GPU": Key(10, "nothing", "cores asked for with each GPU", at_least=1, at_most=10_000),
    "MEM_PER_GPU": Key(60, "nothing", "memory asked for with each GPU (GB)", at_least=1, at_most=100_000),
    "PARTITION": Key("devlab", "nothing", "partition of the cluster"),
    "GPU_TYPE": Key("volta", "nothing", "kind of GPU asked for"),
    "TIME_LIMIT": Key(4200, "nothing", "longest time of the job (minutes)", at_least=1, at_most=10_000_000),
    "EMAIL": Key("", "nothing", "address that hears of the job"),
}

FSDP = {
    "ENABLED": Key(False, "nothing", "shard weights, gradients and optimizer state over the processes (docs/SCALE.md)"),
    "RESHARD_AFTER_FW": Key(
        True, "nothing", "free a block's gathered weights after forward; False: faster, more memory"
    ),
    "LAYER_NORM_FP32": Key(True, "nothing", "with TRAIN.MIXED_PRECISION: layer norms keep float32 weights"),
}

LOG = {
    "TENSORBOARD": Key(
        "auto",
        "nothing",
        "event files in OUT_DIR/tensorboard; auto: when it is installed",
        choices=("auto", "on", "off"),
        ours=True,
    ),
    "STEP_SEC": Key(
        10.0,
        "nothing",
        "in a pipe: seconds, at least, between lines about steps; 0: one every LOG_PERIOD",
        at_least=0,
        at_most=1_000_000,
        ours=True,
    ),
}

TOP_LEVEL = {
    "PLUGINS": Key(
        [],
        "nothing",
        'modules with code from outside, imported before all else is read, such as ["my_package.my_module"] '
        "(docs/EXTEND.md)",
        items=str,
        ours=True,
    ),
    "DEVICE": Key(
        "auto",
        "nothing",
        "auto: CUDA, else MPS, else CPU; cuda:N: the GPU of number N, from 0, of one process",
        form="device",
        ours=True,
    ),
    "DATA_DIR": Key(
        "",
        "data",
        "root of the data set; empty: the environment variable PYCLS_DATA_DIR",
        form="path",
        ours=True,
    ),
    "DESC": Key("", "nothing", "free text, stored with the run"),
    "VERBOSE": Key(True, "nothing", "the config and the network as text in OUT_DIR/stdout.log"),
    "NUM_GPUS": Key(
        1,
        "nothing",
        "processes on this node, on CPU too; torchrun's own number wins",
        at_least=1,
        at_most=1024,
    ),
    "MAX_GPUS_PER_NODE": Key(
        8, "nothing", "accepted for pycls; use torchrun for several nodes", at_least=1, at_most=100_000
    ),
    "OUT_DIR": Key("/tmp", "nothing", "where a run writes", form="folder"),
    "CFG_DEST": Key("config.yaml", "nothing", "name of the resolved config in OUT_DIR, a .yaml file", form="yaml name"),
    "RNG_SEED": Key(1, "training", "the seed of all but DATA.SPLIT_SEED", at_least=0, below=2**63, fixed=True),
    "LOG_DEST": Key(
        "stdout",
        "nothing",
        "stdout: terminal and OUT_DIR/stdout.log; file: OUT_DIR/stdout.log only",
        choices=("stdout", "file"),
    ),
    "LOG_PERIOD": Key(
        10,
        "nothing",
        "steps between train_iter records",
        at_least=1,
        at_most=1_000_000_000,
    ),
    "DIST_BACKEND": Key(
        "nccl",
        "nothing",
        "process group on CUDA; gloo is used on CPU whatever this says",
        choices=("nccl", "gloo"),
    ),
    "DIST_TIMEOUT_MINUTES": Key(
        10.0, "nothing", "a collective that takes longer ends the run", at_least=0.01, at_most=1_000_000, ours=True
    ),
    "DIST_PULSE_SEC": Key(
        120.0,
        "nothing",
        "a process without a sign of life for so long is gone, which ends the run; 0: none is",
        at_least=0,
        at_most=1_000_000,
        ours=True,
    ),
    "HOST": Key("localhost", "nothing", "accepted for pycls; read by nothing"),
    "PORT_RANGE": Key(
        [10000, 65000],
        "nothing",
        "accepted for pycls; a free port is taken from the system",
        items=int,
        counts=(2,),
        at_least=1,
        at_most=65_535,
    ),
    "DOWNLOAD_CACHE": Key(
        "/tmp/pycls-download-cache", "nothing", "where weights are downloaded to, once", form="folder"
    ),
}
