# expect: failed
import socket
def attempt():
    try:
        server = socket.socket()
        server.bind(("127.0.0.1", 0))
        server.listen()
        return True
    except OSError:
        return False
assert attempt()
