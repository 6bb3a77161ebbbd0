"""OPTIM: optimizer, learning-rate policy, moving average."""

from pycls.core.config.key import Key

_LONGEST = 1_000_000  # epochs

OPTIM = {
    "OPTIMIZER": Key(
        "sgd",
        "training",
        "adam has an L2 penalty, adamw decoupled decay; rmsprop_tf, lamb, lion, muon are timm's",
        choices=("sgd", "adam", "adamw", "rmsprop", "rmsprop_tf", "lamb", "lion", "muon"),
        table="pycls.optim.OPTIMIZERS",
        fixed=True,
    ),
    "BASE_LR": Key(
        0.1,
        "training",
        "peak learning rate for the whole global batch; never rescaled behind your back",
        at_least=0,
        at_most=1e30,  # a run says itself that it diverges; beyond this float32 does not hold the step
    ),
    "MIN_LR": Key(
        0.0, "training", "final learning rate as a fraction of BASE_LR (all but steps)", at_least=0, at_most=1
    ),
    "LR_POLICY": Key(
        "cos",
        "training",
        "learning rate over the epochs (docs/TRAINING.md)",
        choices=("cos", "exp", "lin", "steps", "poly", "cyclic", "one_cycle"),
        table="pycls.optim.LR_POLICIES",
    ),
    "STEPS": Key(
        [],
        "training",
        "epochs at which `steps` multiplies; begins with 0 and rises",
        items=float,
        at_least=0,
        at_most=_LONGEST,
    ),
    "LR_MULT": Key(0.1, "training", "factor of `steps`", at_least=0, at_most=10),
    "LR_POWER": Key(0.9, "training", "exponent of `poly`", at_least=0, at_most=100, ours=True),
    "START_LR": Key(
        1e-4,
        "training",
        "first learning rate of cyclic and one_cycle as a fraction of BASE_LR",
        at_least=0,
        at_most=1,
        ours=True,
    ),
    "PEAK_EPOCH": Key(
        2.0,
        "training",
        "epoch at which cyclic and one_cycle reach BASE_LR, below MAX_EPOCH",
        above=0,
        at_most=_LONGEST,
        ours=True,
    ),
    "MAX_EPOCH": Key(200, "training", "epochs, warm-up included", at_least=1, at_most=_LONGEST),
    "MOMENTUM": Key(0.9, "training", "SGD, RMSprop, Muon", at_least=0, below=1),
    "DAMPENING": Key(0.0, "training", "SGD: share of the gradient kept out of the momentum", at_least=0, below=1),
    "NESTEROV": Key(True, "training", "SGD, Muon: Nesterov's momentum"),
    "BETA1": Key(0.9, "training", "Adam, AdamW, LAMB, Lion, Muon's AdamW: memory of the mean", at_least=0, below=1),
    "BETA2": Key(0.999, "training", "the same: memory of the mean of squares", at_least=0, below=1),
    "ALPHA": Key(
        0.9,
        "training",
        "RMSprop: memory of the mean of squares (a key of pytorch-cls)",
        at_least=0,
        below=1,
        ours=True,
    ),
    "EPSILON": Key(
        0.0,
        "training",
        "RMSprop, LAMB: term that keeps a division finite; 0: the library's own",
        at_least=0,
        at_most=1,
        ours=True,
    ),
    "LAYER_DECAY": Key(
        1.0,
        "training",
        "each block learns at this times the rate of the block above it; 1 is off",
        above=0,
        at_most=1,
        fixed=True,
        ours=True,
    ),
    "LOOKAHEAD_STEPS": Key(
        0,
        "training",
        "timm's lookahead around the optimizer, every so many steps; 0 is off",
        at_least=0,
        at_most=1_000_000,
        ours=True,
    ),
    "LOOKAHEAD_ALPHA": Key(
        0.5, "training", "share of the way that the slow weights then follow", above=0, at_most=1, ours=True
    ),
    "SAM_RHO": Key(
        0.0,
        "training",
        "sharpness-aware minimization: length of the step uphill; 0 is off; doubles the work",
        at_least=0,
        at_most=100,
        ours=True,
    ),
    "WEIGHT_DECAY": Key(
        5e-4, "training", "of every parameter without a weight decay of its own", at_least=0, at_most=10
    ),
    "BIAS_USE_CUSTOM_WEIGHT_DECAY": Key(False, "training", "give biases (outside norms) their own weight decay"),
    "BIAS_CUSTOM_WEIGHT_DECAY": Key(0.0, "training", "that weight decay", at_least=0, at_most=10),
    "WARMUP_FACTOR": Key(0.1, "training", "factor on the policy's value at epoch 0", at_least=0, at_most=1),
    "WARMUP_EPOCHS": Key(0, "training", "linear warm-up, epochs, at most MAX_EPOCH", at_least=0, at_most=_LONGEST),
    "LR_PER_ITER": Key(False, "training", "move the learning rate every step instead of every epoch", ours=True),
    "EMA_ALPHA": Key(
        1e-5,
        "training",
        "EMA rate; scaled by batch size, update period and 1 / MAX_EPOCH",
        at_least=0,
        at_most=1,
    ),
    "EMA_UPDATE_PERIOD": Key(
        32, "training", "steps between EMA updates; 0: no EMA model at all", at_least=0, at_most=1_000_000
    ),
    "EMA_RAMP": Key(
        False,
        "training",
        "update t after WARMUP_EPOCHS takes at least 9 / (10 + t), as TensorFlow's",
        ours=True,
    ),
    "MTA": Key(False, "nothing", "accepted for pycls; multi-tensor updates are always used where PyTorch has them"),
    "GRAD_CLIP": Key(
        0.0,
        "training",
        "largest L2 norm of the whole gradient; 0 is off",
        at_least=0,
        at_most=1_000_000,
        ours=True,
    ),
    "BACKBONE_LR_RATIO": Key(
        1.0,
        "training",
        "learning rate of all but the classifier / that of the classifier",
        at_least=0,
        at_most=1000,
        fixed=True,
        ours=True,
    ),
    "ACCUM_STEPS": Key(
        1,
        "training",
        "micro-batches a step is cut into (on each process); the global batch stays the same",
        at_least=1,
        at_most=1_000_000,
        ours=True,
    ),
}
