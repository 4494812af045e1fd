"""Where the API server is and who we are: a kubeconfig, or the service account of the pod.

The official client reads both, tokens that rotate included. Kopf has a connection of its own and gets the same facts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import getproxies

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

MAX_CONNECTIONS: Final = 32
"""The workers and a few more; the client's own default grows with the number of processors."""


class NoKubeconfig(Exception):  # noqa: N818 - it names the state
    """There is none, or none that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The facts of one connection."""

    server: str
    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    token: str | None
    verify: bool


class Connection:
    """A configuration of the official client, from which the present login can be read at any time."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration

    async def login(self) -> Login:
        """The login as of now: a service account's token is read again when it is due."""
        header = await self.configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        scheme, _, token = (header or "").rpartition(" ")
        return Login(
            server=self.configuration.host,
            ca_file=self.configuration.ssl_ca_cert,
            cert_file=self.configuration.cert_file,
            key_file=self.configuration.key_file,
            token=token if scheme.lower() in {"", "bearer"} and token else None,
            verify=bool(self.configuration.verify_ssl),
        )


async def connect(kubeconfig: Path | None) -> Connection:
    """Read the kubeconfig, or without one the files of the pod's service account."""
    configuration = Configuration()
    if kubeconfig is not None:
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=str(kubeconfig), client_configuration=configuration
        )
    else:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    configuration.connection_pool_maxsize = MAX_CONNECTIONS
    # The environment may name a proxy. Without one aiohttp would still read ~/.netrc in a thread before each request.
    configuration.client_session_kwargs = {"trust_env": bool(getproxies())}
    return Connection(configuration)


async def connect_as_user(kubeconfig: Path | None) -> tuple[Connection, str]:
    """Read a kubeconfig, or the one that kubectl would; with the namespace of its present context.

    Raises NoKubeconfig.
    """
    file, configuration = None if kubeconfig is None else str(kubeconfig), Configuration()
    try:
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=file, client_configuration=configuration
        )
        _, context = config.list_kube_config_contexts(config_file=file)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError, yaml.YAMLError) as error:
        raise NoKubeconfig(f"kubeconfig: {' '.join(str(error).split())}") from error
    return Connection(configuration), context["context"].get("namespace") or "default"
