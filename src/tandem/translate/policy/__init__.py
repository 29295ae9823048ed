"""NetworkPolicy -> PolicyIR. `translate_policy` is the whole of it."""

from tandem.translate.policy.networkpolicy import translate_policy

__all__ = ["translate_policy"]
