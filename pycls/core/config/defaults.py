"""The schema: every config key with its default, one comment each (meaning, unit, choices).

Keys and defaults of pycls are kept as they are, so that its YAML files load unchanged; those marked [ours] are new.
A default also fixes the type of its key: whole numbers are accepted for floats, nothing else is converted.
"""

from yacs.config import CfgNode


def default_cfg() -> CfgNode:
    """Return a fresh, unfrozen copy of the whole tree."""
    cfg = CfgNode(_TREE)
    return cfg.clone()


_TREE = {
    "MODEL": {
        "TYPE": "",  # network family: the names of CHOICES below
        "NAME": "",  # [ours] name of a network of torchvision or timm, such as resnet50
        "DEPTH": 0,  # number of layers (resnet: 50, 101, 152 for ImageNet; 6n+2 for CIFAR)
        "NUM_CLASSES": 10,  # outputs of the classifier
        "HEAD": "linear",  # [ours] classifier: linear, introspective (IDML)
        "LOSS_FUN": "cross_entropy",  # cross_entropy, bce, focal, softmax_focal, smooth_l1 (docs/TRAINING.md)
        "BCE_THRESHOLD": 0.2,  # [ours] bce: a class counts as present above this share of the target; 0: its share
        "FOCAL_GAMMA": 2.0,  # [ours] focal, softmax_focal: power of (1 - probability of the truth)
        "FOCAL_ALPHA": 0.25,  # [ours] focal: weight of the classes present, 1 - this of the others; -1: no weights
        "SMOOTH_L1_BETA": 1.0,  # [ours] smooth_l1: difference of probabilities below which it is quadratic
        "BLURPOOL": False,  # [ours] blur in front of strided convolutions, as FFCV's recipes; changes what weights mean
        "STOCHASTIC_DEPTH": 0.0,  # [ours] probability of dropping the last residual branch (docs/RECIPES.md); 0 is off
        "ACTIVATION_FUN": "relu",  # relu, relu6, silu (= swish), gelu
        "ACTIVATION_INPLACE": True,  # in-place ReLU
        "SCALING_TYPE": "",  # scale_net.py: letters of d, w, g, r (dwr) or weights (d1_w8_g8_r1); empty for training
        "SCALING_FACTOR": 1.0,  # scale_net.py: multiply-adds wanted / multiply-adds now
    },
    "RESNET": {
        "TRANS_FUN": "basic_transform",  # basic_transform or bottleneck_transform
        "NUM_GROUPS": 1,  # groups of the 3x3 convolution (32 in ResNeXt 32x4d)
        "WIDTH_PER_GROUP": 64,  # channels of a group in stage 1
        "STRIDE_1X1": True,  # stride of a bottleneck on its first 1x1 (True) or on its 3x3 (False)
        "POOL": "",  # [ours] lip, softpool, avg: strided blocks and stem pool like LIP-ResNet's; empty: as published
    },
    "ANYNET": {
        "STEM_TYPE": "simple_stem_in",  # res_stem_cifar, res_stem_in, simple_stem_in
        "STEM_W": 32,  # channels after the stem
        "BLOCK_TYPE": "res_bottleneck_block",  # vanilla_block, res_basic_block, res_bottleneck_block, ..._linear_block
        "DEPTHS": [],  # blocks of each stage
        "WIDTHS": [],  # channels of each stage
        "STRIDES": [],  # stride of each stage's first block
        "BOT_MULS": [],  # bottleneck width / stage width; empty: 1 everywhere
        "GROUP_WS": [],  # channels per group of the 3x3; empty: one group
        "HEAD_W": 0,  # channels of an extra 1x1 convolution before pooling; 0 leaves it out
        "SE_ON": False,  # squeeze and excitation in bottleneck blocks
        "SE_R": 0.25,  # SE width / channels of the block's input
        "POOL": "",  # [ours] as RESNET.POOL
    },
    "REGNET": {
        "STEM_TYPE": "simple_stem_in",  # as ANYNET.STEM_TYPE
        "STEM_W": 32,  # channels after the stem
        "BLOCK_TYPE": "res_bottleneck_block",  # as ANYNET.BLOCK_TYPE
        "STRIDE": 2,  # stride of every stage
        "SE_ON": False,  # squeeze and excitation (RegNetY)
        "SE_R": 0.25,  # SE width / channels of the block's input
        "DEPTH": 10,  # total number of blocks
        "W0": 32,  # initial width, a multiple of 8
        "WA": 5.0,  # slope of the width
        "WM": 2.5,  # quantization step, above 1
        "GROUP_W": 16,  # channels per group
        "BOT_MUL": 1.0,  # bottleneck width / stage width
        "HEAD_W": 0,  # as ANYNET.HEAD_W
    },
    "EN": {
        "STEM_W": 32,  # channels after the stem
        "DEPTHS": [],  # blocks of each stage
        "WIDTHS": [],  # channels of each stage
        "EXP_RATIOS": [],  # MBConv expansion of each stage
        "SE_R": 0.25,  # SE width / channels of the block's input; 0: none (EfficientNet-Lite)
        "STRIDES": [],  # stride of each stage's first block
        "KERNELS": [],  # depthwise kernel of each stage
        "HEAD_W": 1280,  # channels of the head convolution
        "DC_RATIO": 0.0,  # drop-connect (stochastic depth) probability of every block
        "DROPOUT_RATIO": 0.0,  # dropout before the classifier
        "TF_PADDING": False,  # [ours] strided convolutions pad right and bottom first, for weights from TensorFlow
    },
    "MB": {  # [ours] MobileNetV2 and V3 of pytorch-cls; the lists have one value per block
        "STEM_W": 32,  # channels after the stem
        "STEM_ACT": "relu",  # relu, hardswish (swish means the same here, as in pytorch-cls)
        "WIDTH_MULT": 1.0,  # factor on WIDTHS; stem and head keep theirs
        "WIDTHS": [],  # output channels
        "EXP_RATIOS": [],  # expansion
        "SE_RATIOS": [],  # SE width / expanded channels; 0 is off
        "ACTS": [],  # activation, as STEM_ACT
        "STRIDES": [],  # stride
        "KERNELS": [],  # depthwise kernel
        "HEAD_W": [1280],  # channels of the head convolution, then of hidden linear layers
        "HEAD_ACTS": ["relu"],  # their activations
        "DC_RATIO": 0.0,  # drop-connect (stochastic depth) probability of every block
        "DROPOUT_RATIO": 0.0,  # dropout before the classifier
    },
    "VIT": {
        "PATCH_SIZE": 16,  # side of a patch; divides TRAIN.IM_SIZE (pixels)
        "STEM_TYPE": "patchify",  # patchify, conv
        "C_STEM_KERNELS": [],  # conv stem: the last one is used, all others are 3 (as pycls)
        "C_STEM_STRIDES": [],  # conv stem: their product is PATCH_SIZE
        "C_STEM_DIMS": [],  # conv stem: channels; the last is HIDDEN_DIM
        "NUM_LAYERS": 12,  # encoder blocks
        "NUM_HEADS": 12,  # attention heads; divide HIDDEN_DIM
        "HIDDEN_DIM": 768,  # width of a token
        "MLP_DIM": 3072,  # width inside the perceptron of a block
        "CLASSIFIER_TYPE": "token",  # token (a class token), pooled (the mean of all)
    },
    "DENSENET": {
        "POOL": "avg",  # [ours] avg, or lip for LIP-DenseNet
    },
    "PYRAMIDNET": {
        "ALPHA": 48.0,  # [ours] channels of the last block (before its expansion) above those of the stem
        "BOTTLENECK": True,  # [ours] blocks 1x1, 3x3, 1x1; a ResNet's depth on ImageNet (18 .. 200) decides itself
    },
    "IDML": {
        "WIDTH": 0,  # [ours] numbers in an uncertainty; 0: as published, 128 for CIFAR, Fashion-MNIST, digits, else 512
        "PROXY_BIAS": True,  # [ours] a proxy is the class's weights plus its bias on each, as published; False: no bias
    },
    "BN": {
        "EPS": 1e-5,  # epsilon of every batch norm
        "MOM": 0.1,  # momentum as PyTorch defines it
        "USE_PRECISE_STATS": True,  # recompute statistics over training images after each epoch, for model and EMA
        "NUM_SAMPLES_PRECISE": 8192,  # images used for that, over all processes
        "ZERO_INIT_FINAL_GAMMA": False,  # gamma of the last batch norm of each residual branch starts at 0
        "USE_CUSTOM_WEIGHT_DECAY": False,  # give batch norm parameters their own weight decay
        "CUSTOM_WEIGHT_DECAY": 0.0,  # that weight decay
        "SYNC": False,  # [ours] synchronized batch norm over all processes (CUDA only)
    },
    "LN": {
        "EPS": 1e-5,  # epsilon of every layer norm
        "USE_CUSTOM_WEIGHT_DECAY": False,  # give layer norm parameters their own weight decay
        "CUSTOM_WEIGHT_DECAY": 0.0,  # that weight decay
    },
    "OPTIM": {
        "OPTIMIZER": "sgd",  # sgd, adam (L2), adamw, rmsprop; of timm: rmsprop_tf, lamb, lion, muon
        "BASE_LR": 0.1,  # peak learning rate for the whole global batch; never rescaled behind your back
        "MIN_LR": 0.0,  # final learning rate as a fraction of BASE_LR (all but steps)
        "LR_POLICY": "cos",  # cos, exp, lin, steps, poly, cyclic, one_cycle (docs/TRAINING.md)
        "STEPS": [],  # epochs at which `steps` multiplies; begins with 0
        "LR_MULT": 0.1,  # factor of `steps`
        "LR_POWER": 0.9,  # [ours] exponent of `poly`
        "START_LR": 1e-4,  # [ours] first learning rate of cyclic and one_cycle as a fraction of BASE_LR
        "PEAK_EPOCH": 2.0,  # [ours] epoch at which cyclic and one_cycle reach BASE_LR
        "MAX_EPOCH": 200,  # epochs, warm-up included
        "MOMENTUM": 0.9,  # SGD, RMSprop, Muon
        "DAMPENING": 0.0,  # SGD
        "NESTEROV": True,  # SGD, Muon
        "BETA1": 0.9,  # Adam, AdamW, LAMB, Lion, Muon's AdamW
        "BETA2": 0.999,  # the same
        "ALPHA": 0.9,  # [ours] RMSprop: memory of the mean of squares (a key of pytorch-cls)
        "EPSILON": 0.0,  # [ours] RMSprop, LAMB: term that keeps a division finite; 0: the library's own
        "LAYER_DECAY": 1.0,  # [ours] each block learns at this times the rate of the block above it; 1 is off
        "LOOKAHEAD_STEPS": 0,  # [ours] timm's lookahead around the optimizer, every so many steps; 0 is off
        "LOOKAHEAD_ALPHA": 0.5,  # [ours] share of the way that the slow weights then follow
        "SAM_RHO": 0.0,  # [ours] sharpness-aware minimization: length of the step uphill; 0 is off; doubles the work
        "WEIGHT_DECAY": 5e-4,  # of every parameter without a weight decay of its own
        "BIAS_USE_CUSTOM_WEIGHT_DECAY": False,  # give biases (outside norms) their own weight decay
        "BIAS_CUSTOM_WEIGHT_DECAY": 0.0,  # that weight decay
        "WARMUP_FACTOR": 0.1,  # factor on the policy's value at epoch 0
        "WARMUP_EPOCHS": 0,  # linear warm-up, epochs
        "LR_PER_ITER": False,  # [ours] move the learning rate every step instead of every epoch
        "EMA_ALPHA": 1e-5,  # EMA rate; scaled by batch size, update period and 1 / MAX_EPOCH
        "EMA_UPDATE_PERIOD": 32,  # steps between EMA updates; 0: no EMA model at all
        "EMA_RAMP": False,  # [ours] update t after WARMUP_EPOCHS takes at least 9 / (10 + t), as TensorFlow's
        "MTA": False,  # accepted for pycls; multi-tensor updates are always used where PyTorch has them
        "GRAD_CLIP": 0.0,  # [ours] largest L2 norm of the whole gradient; 0 is off
        "BACKBONE_LR_RATIO": 1.0,  # [ours] learning rate of all but the classifier / that of the classifier
        "ACCUM_STEPS": 1,  # [ours] micro-batches a step is cut into (on each process); the global batch stays the same
    },
    "TRAIN": {
        "DATASET": "",  # imagenet, imagenet-21k (any class-folder tree), cifar10, cifar100, fashion_mnist, digits
        "SPLIT": "train",  # train, val, test
        "BATCH_SIZE": 128,  # global: over all processes and accumulation steps
        "IM_SIZE": 224,  # side of the square that the network sees, in training and evaluation (pixels)
        "IM_SIZE_SCHEDULE": [],  # [ours] training: [[epoch, pixels], ...] with straight lines between
        "AUTO_RESUME": True,  # continue from the newest readable checkpoint in OUT_DIR (wins over TRAIN.WEIGHTS)
        "WEIGHTS": "",  # initial weights: path, URL, or a name such as RegNetX-400MF; docs/WEIGHTS.md
        "FROZEN": [],  # [ours] parts that keep weights and statistics, such as [stem, s1]; needs TRAIN.WEIGHTS
        "MIXED_PRECISION": False,  # autocast to AMP_DTYPE, in training and evaluation
        "AMP_DTYPE": "bf16",  # [ours] bf16 or fp16 (fp16 adds a gradient scaler)
        "CHANNELS_LAST": False,  # [ours] NHWC memory layout: True, False, auto (measured; docs/SPEED.md)
        "COMPILE": False,  # [ours] torch.compile of the network, and of mixing
        "COMPILE_MODE": "default",  # [ours] mode of torch.compile; reduce-overhead and max-autotune use CUDA graphs
        "ACTIVATION_CHECKPOINT": False,  # [ours] compute blocks again in backward: less memory, slower (docs/SCALE.md)
        "LABEL_SMOOTHING": 0.0,  # share of the target spread over all classes
        "MIXUP_ALPHA": 0.0,  # mixup: parameter of its Beta distribution; 0 is off
        "CUTMIX_ALPHA": 0.0,  # CutMix: the same; 0 is off
        "MIX_PROB": 1.0,  # [ours] probability of mixing a batch (or an image) at all
        "MIX_SWITCH_PROB": 0.5,  # [ours] with both alphas above 0: probability of CutMix, the rest is mixup
        "MIX_MODE": "batch",  # [ours] batch: drawn once a step (as pycls and CutMix); elem: for each image
        "CLASS_WEIGHTS": [],  # [ours] weight of each class in the training loss; empty: all 1
        "CLASS_BALANCE": "",  # [ours] loss (weights by rarity), sampler (classes drawn equally often); empty: neither
        "PCA_STD": 0.1,  # standard deviation of the PCA lighting noise (imagenet only)
        "AUGMENT": "",  # AutoAugment, RandAugment_N2_M9 (M to 30; pycls's ops: 1, timm's: 10), TrivialAugment, AugMix
        "AUGMENT_OPS": "torchvision",  # [ours] whose: torchvision, pycls (the first two only), timm (RandAugment only)
        "AUGMENT_INTERPOLATION": "",  # [ours] torchvision's ops, warps: nearest, bilinear; empty: torchvision's default
        "COLOR_JITTER_STYLE": "torchvision",  # [ours] law of the jitter: torchvision (8 bits), cutmix (floats, no hue)
        "COLOR_JITTER": [0.0, 0.0, 0.0, 0.0],  # [ours] brightness, contrast, saturation, hue (at most 0.5); 0 is off
        "REPEATS": 1,  # [ours] views of each image in a batch (repeated augmentation); an epoch keeps its length
        "RANDOM_ERASE": 0.0,  # [ours] probability of emptying a random rectangle, after normalization
        "CROP_STYLE": "torchvision",  # [ours] law of the random crop: torchvision, or pycls for its own
        "CROP_AREA": [0.08, 1.0],  # [ours] area of the random crop / area of the image
        "CROP_ASPECT": [0.75, 1.3333333333333333],  # [ours] width / height of the random crop
        "CROP_PADDING": 4,  # [ours] array data (CIFAR, Fashion-MNIST): pixels of padding before the random crop
        "INTERPOLATION": "bilinear",  # [ours] filter of the resize: bilinear, bicubic, random (one of them an image)
        "HFLIP": 0.5,  # [ours] probability of a horizontal flip; 0 for digits and text
        "KEEP": 3,  # [ours] epoch checkpoints kept, besides last and best; 0 keeps all
        "CHECKPOINT_MINUTES": 15.0,  # [ours] minutes between saves inside an epoch; 0 saves at epoch ends only
    },
    "TEST": {
        "DATASET": "",  # as TRAIN.DATASET
        "SPLIT": "val",  # val or test
        "BATCH_SIZE": 200,  # global
        "HFLIP": False,  # [ours] evaluate the mean logits of each image and its mirror image
        "COMPILE": False,  # [ours] torch.compile of the network in evaluation, in training too; full batches only
        "INTERPOLATION": "bilinear",  # [ours] filter of the resize: bilinear, bicubic
        "IM_SIZE": 256,  # shorter side after the resize, before the central TRAIN.IM_SIZE crop (pixels)
        "WEIGHTS": "",  # what test_net.py evaluates: as TRAIN.WEIGHTS; empty: the best checkpoint in OUT_DIR
    },
    "DATA_LOADER": {
        "BACKEND": "auto",  # [ours] auto, custom (C, OpenCV), torch (torchvision), dali_cpu, dali_gpu, memory (arrays)
        "NUM_WORKERS": 8,  # threads or processes that decode, for each process; counts only where it is set
        "AUTO_WORKERS": True,  # [ours] instead: usable cores / processes on this node; setting NUM_WORKERS turns it off
        "PIN_MEMORY": True,  # page-locked host batches (CUDA only)
        "MODE": "pytorch",  # pycls's switch; its other value, ffcv, is not available: use BACKEND
        "PREFETCH": 3,  # [ours] batches prepared ahead
        "WORKER_MODE": "auto",  # [ours] custom backend: threads, processes, auto (threads up to 16 workers)
        "CHANNEL_ORDER": "RGB",  # [ours] RGB and nothing else; weights of pycls, made for BGR, are turned when loaded
        "JPEG": "auto",  # [ours] custom backend: auto (the C extension if it is built), c (or fail), opencv
        "MEAN": [],  # [ours] RGB mean that is subtracted, 0..1; empty: that of the data set
        "STD": [],  # [ours] RGB standard deviation that is divided by, 0..1; empty: that of the data set
        "ANTIALIAS": True,  # [ours] Pillow's filters, wider the more an image shrinks; False: plain bilinear, as pycls
        "ON_BAD_IMAGE": "raise",  # [ours] raise; skip: another image of the class in training, left out in evaluation
        "SKIP_LIST": "",  # [ours] file that names images to leave out, <split>/<class>/<image>; by check_data.py
        "TIMEOUT_SEC": 120.0,  # [ours] seconds a loader worker may spend on one image before the run ends; 0: for ever
    },
    "CUDNN": {
        "BENCHMARK": True,  # let cuDNN choose its algorithms by timing them
        "DETERMINISTIC": False,  # [ours] deterministic algorithms where PyTorch has them, a warning elsewhere; slower
    },
    "PREC_TIME": {
        "WARMUP_ITER": 3,  # untimed iterations of time_net.py
        "NUM_ITER": 30,  # timed iterations
    },
    "LAUNCH": {  # cluster launching of pycls; not available yet, MODE must stay local for training
        "MODE": "local",
        "MAX_RETRY": 3,
        "NAME": "pycls_job",
        "COMMENT": "",
        "CPUS_PER_GPU": 10,
        "MEM_PER_GPU": 60,
        "PARTITION": "devlab",
        "GPU_TYPE": "volta",
        "TIME_LIMIT": 4200,
        "EMAIL": "",
    },
    "FSDP": {
        "ENABLED": False,  # shard weights, gradients and optimizer state over the processes (docs/SCALE.md)
        "RESHARD_AFTER_FW": True,  # free a block's gathered weights after forward; False: faster, more memory
        "LAYER_NORM_FP32": True,  # with TRAIN.MIXED_PRECISION: layer norms keep float32 weights
    },
    "LOG": {
        "TENSORBOARD": "auto",  # [ours] event files in OUT_DIR/tensorboard: auto (when installed), on, off
    },
    "DEVICE": "auto",  # [ours] auto, cuda, mps, cpu
    "DATA_DIR": "",  # [ours] root of the data set; empty: the environment variable PYCLS_DATA_DIR
    "DESC": "",  # free text, stored with the run
    "VERBOSE": True,  # log the config and the network as text too
    "NUM_GPUS": 1,  # processes on this node, on CPU too; torchrun's own number wins
    "MAX_GPUS_PER_NODE": 8,  # accepted for pycls; use torchrun for several nodes
    "OUT_DIR": "/tmp",  # where a run writes
    "CFG_DEST": "config.yaml",  # name of the resolved config in OUT_DIR
    "RNG_SEED": 1,  # the one seed
    "LOG_DEST": "stdout",  # stdout: terminal and OUT_DIR/stdout.log; file: OUT_DIR/stdout.log only
    "LOG_PERIOD": 10,  # steps between log lines
    "DIST_BACKEND": "nccl",  # process group on CUDA; gloo is used on CPU whatever this says
    "DIST_TIMEOUT_MINUTES": 10.0,  # [ours] a collective that takes longer ends the run
    "HOST": "localhost",  # accepted for pycls; read by nothing
    "PORT_RANGE": [10000, 65000],  # accepted for pycls; a free port is taken from the system
    "DOWNLOAD_CACHE": "/tmp/pycls-download-cache",  # where weights are downloaded to, once
}

# Values allowed for keys that choose something. Where a family owns a table, the names here are its built-in ones.
CHOICES = {
    "MODEL.TYPE": (
        "anynet",
        "resnet",
        "regnet",
        "effnet",
        "mobilenet",
        "vit",
        "lip_resnet",
        "densenet",
        "pyramidnet",
        "cutmix_resnet",
        "timm",
        "torchvision",
    ),
    "MODEL.HEAD": ("linear", "introspective"),
    "MODEL.LOSS_FUN": ("cross_entropy", "bce", "focal", "softmax_focal", "smooth_l1"),
    "MODEL.ACTIVATION_FUN": ("relu", "relu6", "silu", "swish", "gelu"),
    "RESNET.POOL": ("", "lip", "softpool", "avg"),
    "ANYNET.POOL": ("", "lip", "softpool", "avg"),
    "DENSENET.POOL": ("avg", "lip"),
    "OPTIM.OPTIMIZER": ("sgd", "adam", "adamw", "rmsprop", "rmsprop_tf", "lamb", "lion", "muon"),
    "OPTIM.LR_POLICY": ("cos", "exp", "lin", "steps", "poly", "cyclic", "one_cycle"),
    "TRAIN.DATASET": ("imagenet", "imagenet-21k", "cifar10", "cifar100", "fashion_mnist", "digits"),
    "TEST.DATASET": ("imagenet", "imagenet-21k", "cifar10", "cifar100", "fashion_mnist", "digits"),
    "TRAIN.SPLIT": ("train", "val", "test"),
    "TEST.SPLIT": ("train", "val", "test"),
    "TRAIN.AMP_DTYPE": ("bf16", "fp16"),
    "TRAIN.COMPILE_MODE": ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"),
    "TRAIN.MIX_MODE": ("batch", "elem"),
    "TRAIN.CLASS_BALANCE": ("", "loss", "sampler"),
    "TRAIN.CROP_STYLE": ("torchvision", "pycls"),
    "TRAIN.COLOR_JITTER_STYLE": ("torchvision", "cutmix"),
    "TRAIN.INTERPOLATION": ("bilinear", "bicubic", "random"),
    "TEST.INTERPOLATION": ("bilinear", "bicubic"),
    "TRAIN.AUGMENT_OPS": ("torchvision", "pycls", "timm"),
    "TRAIN.AUGMENT_INTERPOLATION": ("", "nearest", "bilinear"),
    "DATA_LOADER.BACKEND": ("auto", "custom", "torch", "dali_cpu", "dali_gpu", "memory"),
    "DATA_LOADER.MODE": ("pytorch", "ffcv"),
    "DATA_LOADER.JPEG": ("auto", "c", "opencv"),
    "DATA_LOADER.WORKER_MODE": ("auto", "threads", "processes"),
    "DATA_LOADER.CHANNEL_ORDER": ("RGB",),
    "DATA_LOADER.ON_BAD_IMAGE": ("raise", "skip"),
    "LOG.TENSORBOARD": ("auto", "on", "off"),
    "LOG_DEST": ("stdout", "file"),
    "LAUNCH.MODE": ("local", "slurm", "submitit_local"),
    "DEVICE": ("auto", "cuda", "mps", "cpu"),
}

# Where the family tables live; outside code may add to them (MODELS["mine"] = build_mine).
TABLES = {
    "MODEL.TYPE": ("pycls.models", "MODELS"),
    "MODEL.HEAD": ("pycls.models.heads", "HEADS"),
    "MODEL.LOSS_FUN": ("pycls.losses", "LOSSES"),
    "OPTIM.OPTIMIZER": ("pycls.optim", "OPTIMIZERS"),
    "OPTIM.LR_POLICY": ("pycls.optim", "LR_POLICIES"),
    "TRAIN.DATASET": ("pycls.datasets", "DATASETS"),
    "TEST.DATASET": ("pycls.datasets", "DATASETS"),
    "DATA_LOADER.BACKEND": ("pycls.datasets", "BACKENDS"),
}

# Keys of pycls and pytorch-cls under another name here; the value is taken over, with a warning.
RENAMED = {
    "OPTIM.NAME": "OPTIM.OPTIMIZER",
    "TRAIN.AMP": "TRAIN.MIXED_PRECISION",
    "DETERMINSTIC": "CUDNN.DETERMINISTIC",
    "MB.SE_RARIOS": "MB.SE_RATIOS",
    "MEM.RELU_INPLACE": "MODEL.ACTIVATION_INPLACE",
}

# Values of pytorch-cls that are written otherwise here: (key, lower-case value) -> (key, value), with a warning.
TRANSLATED = {
    ("TRAIN.DATASET", "imagenet_dataset"): ("TRAIN.DATASET", "imagenet"),
    ("TEST.DATASET", "imagenet_dataset"): ("TEST.DATASET", "imagenet"),
    ("DATA_LOADER.PCA_JITTER", "true"): ("TRAIN.PCA_STD", "0.1"),
    ("DATA_LOADER.PCA_JITTER", "false"): ("TRAIN.PCA_STD", "0.0"),
}

# Switches that may say `auto` besides True and False: the program decides.
MAY_BE_AUTO = ("TRAIN.CHANNELS_LAST",)

# Setting the first key sets the second one to this value; what is set later wins.
IMPLIED = {"DATA_LOADER.NUM_WORKERS": ("DATA_LOADER.AUTO_WORKERS", False)}

# Keys of pycls and pytorch-cls that mean nothing here: accepted with a warning that says what to use instead.
IGNORED = {
    "MEM": "use MODEL.ACTIVATION_INPLACE",
    "OPTIM.GAMMA": "with OPTIM.LR_POLICY exp set OPTIM.MIN_LR to GAMMA ** MAX_EPOCH",
    "PREC_TIME.BATCH_SIZE": "use TRAIN.BATCH_SIZE and TEST.BATCH_SIZE",
    "PREC_TIME.ENABLED": "use tools/time_net.py",
    "PORT": "a free port is found",
    "TRAIN.EVAL_PERIOD": "every epoch is evaluated",
    "TRAIN.CHECKPOINT_PERIOD": "every epoch is saved, use TRAIN.KEEP",
    "TEST.AMP": "use TRAIN.MIXED_PRECISION",
    "DATA_LOADER.WORLD_SIZE": "the number of processes is known",
    "DATA_LOADER.MEMORY_DATA": "use DATA_DIR, a folder in memory for instance",
    "DATA_LOADER.PCA_JITTER": "use TRAIN.PCA_STD",
    "DATA_LOADER.COLOR_JITTER": "use TRAIN.COLOR_JITTER with four strengths, such as [0.4, 0.4, 0.4, 0.0]",
    "DATA_LOADER.CUTOUT": "cutout is not available; TRAIN.RANDOM_ERASE is close to it",
    "RANDOM_OUT_DIR": "use OUT_DIR",
    "SAVE_NAME": "use OUT_DIR",
    "_type": "pycls's log tag",
}
