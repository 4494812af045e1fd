"""Whether a broker takes our certificate, and we its: tried beside a connection that goes on.

A new certificate that is not taken must not cost the connection that the old one has opened; and when a connection is
closed without a word, this finds the word.
"""

import asyncio
import contextlib
from typing import Final

from edgeglm_agent.mqtt.address import Address
from edgeglm_agent.mqtt.credentials import Credentials
from edgeglm_agent.mqtt.failure import Reason, failure_of

CONNECT_SECONDS: Final = 10.0
VERDICT_SECONDS: Final = 10.0
_GOODBYE: Final = b"\xe0\x00"
"""A DISCONNECT. As the first packet it makes every broker hang up (MQTT 5, 3.1.0-1), if it got as far as reading it."""


async def try_handshake(broker: str, address: Address, credentials: Credentials) -> None:
    """Shake hands and leave; raises ConnectionFailed when one of us objects.

    With TLS 1.3 the broker judges our certificate when our side of the handshake is done already (RFC 8446, 2), so its
    objection is heard only when reading.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=credentials.context, server_hostname=address.host
            )
    except OSError as error:  # TimeoutError and all of ssl's are among them
        raise failure_of(broker, error) from error
    try:
        async with asyncio.timeout(VERDICT_SECONDS):
            writer.write(_GOODBYE)
            await reader.read()
    except OSError as error:
        failure = failure_of(broker, error)
        if failure.reason is Reason.CERTIFICATE_REFUSED:
            raise failure from error
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
