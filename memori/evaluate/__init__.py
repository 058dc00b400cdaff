"""How well a store recalls what it holds, and what in it deserves a look, without labels."""

from memori.evaluate.evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
