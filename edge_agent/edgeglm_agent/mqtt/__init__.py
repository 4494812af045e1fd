"""The transport, and the only importer of paho.

One paho client a connection: packet ids, acknowledgements and unsent publications of an earlier connection then
cannot leak into a later one (paho's acks are not tied to a connection, and an id left over could confirm another
message).
"""
