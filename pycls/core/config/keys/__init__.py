"""Every config key of pycls and of this program, a row each: `SECTIONS` in the order of the printed tree.

Keys and defaults of pycls are kept as they are, so that its YAML files load unchanged; rows with `ours` are new.
"""

from pycls.core.config.key import Key
from pycls.core.config.keys import data, families, machine, mobile, model, optim, training

SECTIONS: dict[str, dict[str, Key]] = {
    "MODEL": model.MODEL,
    "RESNET": families.RESNET,
    "ANYNET": families.ANYNET,
    "REGNET": families.REGNET,
    "EN": mobile.EN,
    "MB": mobile.MB,
    "VIT": families.VIT,
    "DENSENET": families.DENSENET,
    "PYRAMIDNET": families.PYRAMIDNET,
    "IDML": model.IDML,
    "BN": model.BN,
    "LN": model.LN,
    "OPTIM": optim.OPTIM,
    "TRAIN": training.TRAIN,
    "TEST": training.TEST,
    "DATA": data.DATA,
    "DATA_LOADER": data.DATA_LOADER,
    "CUDNN": machine.CUDNN,
    "PREC_TIME": machine.PREC_TIME,
    "LAUNCH": machine.LAUNCH,
    "FSDP": machine.FSDP,
    "LOG": machine.LOG,
    "": machine.TOP_LEVEL,
}
