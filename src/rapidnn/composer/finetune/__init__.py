"""Quantisation-aware training: better choices for a composition from labelled data and the float network."""

from rapidnn.composer.finetune.finetune import (
    EpochReport,
    Finetuned,
    FinetuneReport,
    Finetuning,
    Schedule,
    finetune,
)
from rapidnn.composer.finetune.samples import TrainingData

__all__ = ["EpochReport", "FinetuneReport", "Finetuned", "Finetuning", "Schedule", "TrainingData", "finetune"]
