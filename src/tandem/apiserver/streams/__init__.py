"""What runs over a connection once HTTP has handed it over: WebSocket, SPDY, and the channels of programs in pods."""
