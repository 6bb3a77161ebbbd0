"""The keys of TRAIN that say how an image is cut, flipped, filtered and augmented."""

from pycls.core.config.key import Key
from pycls.core.config.keys.shapes import probability

LARGEST_PX = 16_384

VIEWS = {
    "PCA_STD": Key(
        0.1,
        "data",
        "standard deviation of the PCA lighting noise (imagenet only)",
        at_least=0,
        at_most=100,
    ),
    "AUGMENT": Key(
        "",
        "data",
        "AutoAugment, RandAugment_N2_M9 (M to 30; pycls's ops: 1, timm's: 10), TrivialAugment, AugMix; "
        "pycls_AutoAugment and timm_... set AUGMENT_OPS, too",
    ),
    "AUGMENT_OPS": Key(
        "torchvision",
        "data",
        "whose: torchvision, pycls (the first two only), timm (RandAugment only)",
        choices=("torchvision", "pycls", "timm"),
        table="pycls.datasets.transforms.augment.OP_SETS",
        ours=True,
    ),
    "AUGMENT_INTERPOLATION": Key(
        "",
        "data",
        "torchvision's ops, warps; empty: torchvision's default",
        choices=("", "nearest", "bilinear"),
        ours=True,
    ),
    "COLOR_JITTER_STYLE": Key(
        "torchvision",
        "data",
        "law of the jitter: torchvision (8 bits), cutmix (floats, no hue)",
        choices=("torchvision", "cutmix"),
        ours=True,
    ),
    "COLOR_JITTER": Key(
        [0.0, 0.0, 0.0, 0.0],
        "data",
        "brightness, contrast, saturation, hue (at most 0.5); 0 is off",
        items=float,
        counts=(4,),
        at_least=0,
        at_most=10,
        ours=True,
    ),
    "REPEATS": Key(
        1,
        "data",
        "views of each image in a batch (repeated augmentation); an epoch keeps its length",
        at_least=1,
        at_most=100,
        fixed=True,
        ours=True,
    ),
    "RANDOM_ERASE": probability(
        0.0,
        decides="data",
        comment="probability of emptying a random rectangle, after normalization",
        ours=True,
    ),
    "CROP_STYLE": Key(
        "torchvision",
        "data",
        "law of the random crop, torchvision's or pycls's; center: none, the view of evaluation",
        choices=("torchvision", "pycls", "center"),
        table="pycls.datasets.transforms.random_crop.CROP_LAWS",
        ours=True,
    ),
    "CROP_AREA": Key(
        [0.08, 1.0],
        "data",
        "area of the random crop / area of the image: least and largest",
        items=float,
        counts=(2,),
        at_least=1e-4,
        at_most=1,
        ours=True,
    ),
    "CROP_ASPECT": Key(
        [0.75, 1.3333333333333333],
        "data",
        "width / height of the random crop: least and largest",
        items=float,
        counts=(2,),
        at_least=0.001,
        at_most=1000,
        ours=True,
    ),
    "CROP_PADDING": Key(
        4,
        "data",
        "array data (CIFAR, Fashion-MNIST): pixels of padding before the random crop",
        at_least=0,
        at_most=LARGEST_PX,
        ours=True,
    ),
    "INTERPOLATION": Key(
        "bilinear",
        "data",
        "filter of the resize; random: one of them an image",
        choices=("bilinear", "bicubic", "random"),
        ours=True,
    ),
    "HFLIP": probability(
        0.5, decides="data", comment="probability of a horizontal flip; 0 for digits and text", ours=True
    ),
}
