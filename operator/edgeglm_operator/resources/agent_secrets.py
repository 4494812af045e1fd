"""All Secrets of others that an agent has in its pod, as its bundle names them."""

from typing import Final, NamedTuple

from edgeglm_api.bundle import Bundle
from edgeglm_operator.resources.agent_keys import secrets_of
from edgeglm_operator.resources.broker_secrets import BrokerSecret, broker_secrets_of
from edgeglm_operator.resources.endpoint_secrets import EndpointSecret, endpoint_secrets_of


class AgentSecrets(NamedTuple):
    """What is mounted."""

    keys: tuple[str, ...] = ()
    """The Secrets with the keys of InferenceServices, and of who commands a graph."""
    brokers: tuple[BrokerSecret, ...] = ()
    endpoints: tuple[EndpointSecret, ...] = ()


NO_SECRETS: Final = AgentSecrets()


def agent_secrets_of(bundle: Bundle) -> AgentSecrets:
    """What the agent of a bundle needs."""
    return AgentSecrets(secrets_of(bundle), broker_secrets_of(bundle), endpoint_secrets_of(bundle))
