"""Well-known networks in plain PyTorch, written from their papers, for tests of import and composition."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import nn

from rapidnn.networks.vgg import VGG16
from tests.zoo.alexnet import AlexNet
from tests.zoo.densenet import DenseNet121
from tests.zoo.efficientnet import EfficientNetB0
from tests.zoo.googlenet import GoogLeNet
from tests.zoo.inception import InceptionV3
from tests.zoo.mobilenet import MobileNetV2, MobileNetV3Small
from tests.zoo.resnet import resnet18, resnet50, resnet152
from tests.zoo.shufflenet import ShuffleNetV2
from tests.zoo.squeezenet import squeezenet1_0, squeezenet1_1
from tests.zoo.transformer import BertLayer, ViTTiny
from tests.zoo.vgg import vgg16_for_32


class Network(NamedTuple):
    """A published network: how to make it, the shape of one sample, its published number of parameters.

    ``small_shape`` is a sample on which even the reference executor takes seconds; where the architecture does not
    take it as it is, ``small_factory`` makes the form that does.
    """

    factory: Callable[[], nn.Module]
    shape: tuple[int, ...]
    parameters: int
    small_shape: tuple[int, ...] = (3, 64, 64)
    small_factory: Callable[[], nn.Module] | None = None

    def small(self) -> nn.Module:
        """The form for ``small_shape``."""
        return (self.small_factory or self.factory)()


_IMAGE = (3, 224, 224)

NETWORKS: dict[str, Network] = {
    "alexnet": Network(AlexNet, _IMAGE, 61_100_840, small_shape=_IMAGE),
    "vgg16": Network(VGG16, _IMAGE, 138_357_544, (3, 32, 32), vgg16_for_32),
    "googlenet": Network(GoogLeNet, _IMAGE, 6_624_904),
    "resnet18": Network(resnet18, _IMAGE, 11_689_512),
    "resnet50": Network(resnet50, _IMAGE, 25_557_032),
    "resnet152": Network(resnet152, _IMAGE, 60_192_808),
    "squeezenet1.0": Network(squeezenet1_0, _IMAGE, 1_248_424),
    "squeezenet1.1": Network(squeezenet1_1, _IMAGE, 1_235_496),
    "mobilenet-v2": Network(MobileNetV2, _IMAGE, 3_504_872),
    "mobilenet-v3-small": Network(MobileNetV3Small, _IMAGE, 2_542_856),
    "shufflenet-v2": Network(ShuffleNetV2, _IMAGE, 2_278_604),
    "densenet121": Network(DenseNet121, _IMAGE, 7_978_856),
    "efficientnet-b0": Network(EfficientNetB0, _IMAGE, 5_288_548),
    "inception-v3": Network(InceptionV3, (3, 299, 299), 23_834_568, (3, 111, 111)),
    "vit-tiny": Network(ViTTiny, _IMAGE, 5_717_416, small_factory=partial(ViTTiny, 64)),
    "bert-layer": Network(BertLayer, (128, 768), 7_087_872, (16, 128), partial(BertLayer, 128, 2)),
}
