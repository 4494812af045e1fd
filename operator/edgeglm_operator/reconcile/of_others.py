"""What another operator looks after, which the store cannot tell: it has only what is ours."""

from edgeglm_operator.kube.errors import NotFound
from edgeglm_operator.kube.kinds import Kind
from edgeglm_operator.reconcile.world import World


async def is_of_others(world: World, kind: Kind, namespace: str, name: str) -> bool:
    """Whether an object is there, and not ours by its labels. With all in sight there is nothing to ask."""
    shard = world.settings.shard
    if not shard.selector:
        return False
    try:
        live = await world.client.get(kind, namespace, name)
    except NotFound:
        return False
    return not shard.meets(live["metadata"].get("labels") or {})
