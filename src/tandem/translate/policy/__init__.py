"""Network policies of every kind -> PolicyIR. `translate_policy` is the whole of it."""

from tandem.translate.policy.sets import translate_policy

__all__ = ["translate_policy"]
