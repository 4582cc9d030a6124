# expect: failed
import socket
def attempt():
    try:
        return bool(socket.getaddrinfo("example.com", 80))
    except OSError:
        return False
assert attempt()
