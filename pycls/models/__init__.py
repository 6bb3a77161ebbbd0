"""Network families: `build_model(cfg)`, and pycls's calls by name, such as `regnetx("400MF")`."""

from pycls.models import model_zoo
from pycls.models.build import MODELS, build_model

__all__ = ["MODELS", "build_model", "effnet", "regnetx", "regnety", "resnet", "resnext", "vit"]

# Three of these calls hide the submodules of their names, as in pycls; `from pycls.models.resnet import ...` works.
effnet, regnetx, regnety = model_zoo.effnet, model_zoo.regnetx, model_zoo.regnety
resnet, resnext, vit = model_zoo.resnet, model_zoo.resnext, model_zoo.vit
