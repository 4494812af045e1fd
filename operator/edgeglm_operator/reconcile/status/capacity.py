"""What the fit check found, as a condition."""

from collections.abc import Sequence

from edgeglm_operator.reconcile.capacity import GIB, NotKnown, Plan
from edgeglm_operator.reconcile.fit_check import Fit
from edgeglm_operator.reconcile.status.verdict import State, Verdict


def capacity_verdict(fits: Sequence[Fit]) -> Verdict:
    """Of all places together: the worst is told, what does not fit before what nobody knows."""
    worst = min(fits, key=lambda fit: (fit.fits is not False, fit.fits is not None))
    if isinstance(worst.plan, NotKnown):
        return Verdict(State.PROGRESSING, worst.plan.reason, sentence(worst))
    if not worst.plan.fits:
        return Verdict(State.FAILED, "TooLarge", sentence(worst))
    return Verdict(State.SERVING, "Fits", "; ".join(sentence(fit) for fit in fits))


def sentence(fit: Fit) -> str:
    """One place in a sentence: the figures, and what would fit where it does not."""
    if isinstance(fit.plan, NotKnown):
        return f"{fit.place}: not known: {fit.plan.message}"
    if fit.plan.fits:
        return f"{fit.place}: fits: {_memory(fit.plan)}; {_cache(fit.plan)}"
    cures = " or ".join(str(suggestion) for suggestion in fit.suggestions)
    cure = f"it fits with {cures}" if cures else "nothing that was tried makes it fit"
    return f"{fit.place}: does not fit: {_fault(fit.plan)}; {cure}"


def _fault(plan: Plan) -> str:
    if plan.obstacle:
        return plan.obstacle
    if not plan.tokens_per_copy:
        return f"{_memory(plan)}, so nothing is left for the KV cache"
    return f"{_memory(plan)}; {_cache(plan)}, and one is the least"


def _memory(plan: Plan) -> str:
    weights, others = plan.weights_here_bytes / GIB, (plan.activation_bytes + plan.overhead_bytes) / GIB
    return (
        f"weights take {weights:.1f} GiB and a step {others:.1f} GiB of the {plan.usable_bytes / GIB:.1f} GiB that vLLM"
        f" may use of each accelerator"
    )


def _cache(plan: Plan) -> str:
    held = f"the KV cache holds {plan.kv_cache_tokens} tokens"
    return f"{held}, {plan.max_concurrency:.1f} requests of {plan.max_model_len}"
