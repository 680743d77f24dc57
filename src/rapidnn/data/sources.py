"""The known data sets: their form, their public homes, and the digests that pin what is downloaded.

Digests are SHA-256. Those of MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100 and UCI HAR are quoted alike by
several independent public projects (and MNIST's, Fashion-MNIST's and CIFAR's agree with the MD5 their homes
publish). UCI publishes no digest of ``isolet.zip``; the one here was found in a single public project, so a
mismatch there may also mean that UCI has packed the archive anew. The parsers check the content strictly in
any case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rapidnn.data import formats
from rapidnn.data.preprocess import Preprocess

Parser = Callable[[Mapping[str, Path], formats.Counts], formats.Arrays]


@dataclass(frozen=True)
class RemoteFile:
    """One downloadable file: the addresses it can be had from, and its digest.

    ``group`` is the folder it has on a mirror (``RAPIDNN_MIRROR``): ``<mirror>/<group>/<name>``.
    """

    name: str
    group: str
    homes: tuple[str, ...]
    sha256: str

    def urls(self, mirror: str | None) -> tuple[str, ...]:
        """Where to ask, in order: the mirror alone if one is given, else the public homes."""
        if mirror:
            return (f"{mirror.rstrip('/')}/{self.group}/{self.name}",)
        return tuple(f"{home}/{self.name}" for home in self.homes)


@dataclass(frozen=True)
class Source:
    """A known data set.

    Attributes
    ----------
    sample
        Shape of one raw sample.
    counts
        Training and test samples of the complete set.
    files, parse
        What to download, and how to turn it into arrays; empty and None for ``digits``, which scikit-learn
        holds.
    note
        Where it comes from and on what terms, one line.
    """

    name: str
    sample: tuple[int, ...]
    classes: int
    counts: formats.Counts
    preprocess: Preprocess
    files: tuple[RemoteFile, ...]
    parse: Parser | None
    note: str


def _idx_files(
    group: str, homes: tuple[str, ...], digests: tuple[str, str, str, str]
) -> tuple[RemoteFile, ...]:
    names = (
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    )
    return tuple(RemoteFile(name, group, homes, digest) for name, digest in zip(names, digests, strict=True))


def _plain(shape: tuple[int, ...]) -> Preprocess:
    return Preprocess.identity(shape)


_GREY28 = Preprocess("nchw", 255.0, (0.0,), (1.0,), (1, 28, 28))
# The channel statistics the public CIFAR-10 ResNets were trained with (those of ImageNet).
_RGB32 = Preprocess("nhwc", 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (3, 32, 32))

_TORONTO = ("https://www.cs.toronto.edu/~kriz",)
_HAR_FILES = (
    RemoteFile(
        "human+activity+recognition+using+smartphones.zip",
        "uci",
        ("https://archive.ics.uci.edu/static/public/240",),
        "c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031",
    ),
)
_HAR_NOTE = "UCI HAR (Anguita et al. 2012), split by subject; non-commercial use, to be cited"

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="digits",
            sample=(8, 8),
            classes=10,
            counts=(1437, 360),
            preprocess=Preprocess("nchw", 16.0, (0.0,), (1.0,), (1, 8, 8)),
            files=(),
            parse=None,
            note="scikit-learn's digits (UCI handwritten digits), a fixed stratified split",
        ),
        Source(
            name="mnist",
            sample=(28, 28),
            classes=10,
            counts=(60000, 10000),
            preprocess=_GREY28,
            files=_idx_files(
                "mnist",
                (
                    "https://ossci-datasets.s3.amazonaws.com/mnist",
                    "https://storage.googleapis.com/cvdf-datasets/mnist",
                ),
                (
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ),
            ),
            parse=formats.parse_idx,
            note="MNIST (LeCun, Cortes, Burges), from its public copies",
        ),
        Source(
            name="fashion-mnist",
            sample=(28, 28),
            classes=10,
            counts=(60000, 10000),
            preprocess=_GREY28,
            files=_idx_files(
                "fashion-mnist",
                (
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
                    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
                ),
                (
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                ),
            ),
            parse=formats.parse_idx,
            note="Fashion-MNIST (Zalando Research), MIT licence",
        ),
        Source(
            name="isolet",
            sample=(617,),
            classes=26,
            counts=(6238, 1559),
            preprocess=_plain((617,)),
            files=(
                RemoteFile(
                    "isolet.zip",
                    "uci",
                    ("https://archive.ics.uci.edu/static/public/54",),
                    "fe2e0d45f1057d112e051d309070992fc178e7f6922cc7b4e8b2bd310303a053",
                ),
            ),
            parse=formats.parse_isolet,
            note="UCI ISOLET (Cole and Fanty), the official split by speakers, CC BY 4.0",
        ),
        Source("har", (561,), 6, (7352, 2947), _plain((561,)), _HAR_FILES, formats.parse_har, _HAR_NOTE),
        Source(
            "har-inertial",
            (9, 128),
            6,
            (7352, 2947),
            _plain((9, 128)),
            _HAR_FILES,
            formats.parse_har_inertial,
            _HAR_NOTE,
        ),
        Source(
            name="cifar10",
            sample=(32, 32, 3),
            classes=10,
            counts=(50000, 10000),
            preprocess=_RGB32,
            files=(
                RemoteFile(
                    "cifar-10-binary.tar.gz",
                    "cifar",
                    _TORONTO,
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                ),
            ),
            parse=formats.parse_cifar10,
            note="CIFAR-10 (Krizhevsky), the binary version",
        ),
        Source(
            name="cifar100",
            sample=(32, 32, 3),
            classes=100,
            counts=(50000, 10000),
            preprocess=_RGB32,
            files=(
                RemoteFile(
                    "cifar-100-binary.tar.gz",
                    "cifar",
                    _TORONTO,
                    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                ),
            ),
            parse=formats.parse_cifar100,
            note="CIFAR-100 (Krizhevsky), the binary version, fine labels",
        ),
    )
}
"""Known data sets by name."""
