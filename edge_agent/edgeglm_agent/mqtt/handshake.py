"""Whether a broker takes our certificate, and we its: tried beside a connection that goes on.

A new certificate that is not taken must not cost the connection that the old one has opened; and when a connection is
closed without a word, this finds the word.
"""

import contextlib
import socket
import ssl
from typing import Final

from edgeglm_agent.mqtt.address import Address
from edgeglm_agent.mqtt.failure import ConnectionFailed, Reason, failure_of

STEP_SECONDS: Final = 5.0
_GOODBYE: Final = b"\xe0\x00"
"""A DISCONNECT. As the first packet it makes every broker hang up (MQTT 5, 3.1.0-1), if it got as far as reading it."""


def try_handshake(broker: str, address: Address, context: ssl.SSLContext) -> None:
    """Shake hands and leave; blocks. Raises ConnectionFailed when one of us objects.

    With TLS 1.3 the broker judges our certificate when our side of the handshake is done already (RFC 8446, 2): only
    when it hangs up in peace it has read what comes after, and so has taken us.
    """
    where = (address.host, address.port)
    try:
        with (
            socket.create_connection(where, STEP_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=address.host) as connection,
        ):
            with contextlib.suppress(OSError):  # if it objects, that can still be read
                connection.sendall(_GOODBYE)
            connection.recv(1)
    except ConnectionResetError as error:
        raise ConnectionFailed(Reason.CLOSED, f"{broker} closed the connection: {error}") from error
    except OSError as error:  # TimeoutError and all of ssl's are among them
        raise failure_of(broker, error) from error
